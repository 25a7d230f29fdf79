"""Writes src/golden-vectors.json: what encoding must give, computed with NumPy's own float16 and float32.

    python3 packages/quantizers/tools/golden-vectors.py

Affine, b bits, all in float32: scale = f16((max - min) / (2^b - 1)), minimum = f16(min), code = clamp(rint((x - minimum)
/ scale), 0, 2^b - 1), half to even, decoded = code * scale + minimum; a scale of 0 gives code 0. Symmetric: scale =
f16(max |x| / (2^(b-1) - 1)), codes from -(2^(b-1) - 1), stored with that offset. Codes are packed through a bit string,
lowest bit first; a token's head vector (axis token) or one channel's group (axis channel) fills whole bytes.
"""

import base64
import json
import pathlib

import numpy as np

f32, f16 = np.float32, np.float16


def encode_group(x, bits, form):
    levels = f32(2**bits - 1 if form == "affine" else 2 ** (bits - 1) - 1)
    span = x.max() - x.min() if form == "affine" else np.abs(x).max()
    scale = f16(f32(span) / levels)
    minimum = f16(x.min()) if form == "affine" else f16(0)
    lowest = f32(0) if form == "affine" else -levels
    if scale == 0:
        codes = np.zeros(x.shape, f32)
    else:
        codes = np.clip(np.rint((x - f32(minimum)) / f32(scale)), lowest, levels)
    stored = (codes - lowest).astype(np.uint8)
    decoded = (stored.astype(f32) + lowest) * f32(scale) + f32(minimum)
    assert codes.dtype == decoded.dtype == f32
    return stored, scale, minimum, decoded


def pack(codes, bits):
    bit_string = (codes[:, None] >> np.arange(bits)) & 1
    return np.packbits(bit_string.astype(np.uint8).ravel(), bitorder="little")


def encode(x, bits, form, axis, group_size):
    starts = range(0, len(x), group_size)
    rows = x if axis == "token" else [x[t : t + group_size, c] for t in starts for c in range(x.shape[1])]
    packed, scales, minima, decoded = [], [], [], []
    for row in rows:
        groups = [encode_group(row[i : i + group_size], bits, form) for i in range(0, len(row), group_size)]
        packed.append(pack(np.concatenate([g[0] for g in groups]), bits))
        scales += [g[1] for g in groups]
        minima += [g[2] for g in groups if form == "affine"]
        decoded.append(np.concatenate([g[3] for g in groups]))
    if axis == "channel":
        channels = x.shape[1]
        blocks = [np.stack(decoded[i : i + channels], axis=1) for i in range(0, len(decoded), channels)]
        decoded = np.concatenate(blocks)
    return np.concatenate(packed), np.array(scales, f16), np.array(minima, f16), np.array(decoded, f32)


def text(array):
    return base64.b64encode(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()).decode()


def blocks(random):
    shape = (6, 16)
    yield "normal", random.standard_normal(shape)
    yield "outlier channel", random.standard_normal(shape) * np.where(np.arange(16) == 5, 1e4, 1)
    yield "large offset", random.random(shape) - 2000
    yield "subnormal", random.standard_normal(shape) * 2.0**-19
    yield "half steps", random.integers(0, 31, shape) / 2
    yield "constant", np.full(shape, 0.1)


def cases_of(x, block):
    for index, bits in enumerate((2, 3, 4, 5, 6, 8)):
        form = ("affine", "symmetric")[(block + index) % 2]
        axis, group_size = (("token", 10), ("channel", 4))[(block // 2 + index // 2) % 2]
        codes, scales, minima, decoded = encode(x, bits, form, axis, group_size)
        stored = {"codes": text(codes), "scales": text(scales), "minima": text(minima), "decoded": text(decoded)}
        yield {"bits": bits, "format": form, "axis": axis, "groupSize": group_size} | stored


def main():
    random = np.random.default_rng(20)
    vectors = []
    for index, (name, x) in enumerate(blocks(random)):
        x = x.astype(f32)
        tokens, head_size = x.shape
        cases = list(cases_of(x, index))
        vectors.append({"name": name, "tokens": tokens, "headSize": head_size, "x": text(x), "cases": cases})
    target = pathlib.Path(__file__).parent.parent / "src" / "golden-vectors.json"
    target.write_text(json.dumps(vectors, indent=2) + "\n")


if __name__ == "__main__":
    main()
