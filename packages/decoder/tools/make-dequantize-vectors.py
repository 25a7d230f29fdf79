"""Makes src/gguf/fixtures/dequantize.json: blocks of random bytes and what gguf.quants (PyPI gguf 0.19.0) reads in them.

Run: pip install gguf==0.19.0 && python3 make-dequantize-vectors.py > ../src/gguf/fixtures/dequantize.json
"""

import base64
import json

import numpy
from gguf import quants
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as Type

FLOAT16_OFFSETS = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0]}
FLOAT16_OFFSETS |= {"Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
FLOAT16_OFFSETS |= {"Q2_K": [80, 82], "Q3_K": [108], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": []}
BLOCKS = 3


def stored(name, random):
    """Random bytes whose scales and minima are finite; the second block's are subnormal."""
    if name in ("F32", "F16"):
        dtype = numpy.float32 if name == "F32" else numpy.float16
        return random.standard_normal(64).astype(dtype).view(numpy.uint8)
    if name == "BF16":
        return (random.standard_normal(64).astype(numpy.float32).view(numpy.uint32) >> 16).astype(numpy.uint16).view(numpy.uint8)
    _, size = GGML_QUANT_SIZES[Type[name]]
    data = random.integers(0, 256, (BLOCKS, size), dtype=numpy.uint8)
    for offset in FLOAT16_OFFSETS[name]:
        scales = numpy.array([0.0371, 3.1e-6, -0.52], numpy.float16) * numpy.float16(1 + offset / 256)
        data[:, offset : offset + 2] = scales.astype(numpy.float16).view(numpy.uint8).reshape(BLOCKS, 2)
    if name == "MXFP4":
        data[:, 0] = [250, 1, 0]
    return data.reshape(-1)


def main():
    random = numpy.random.default_rng(20)
    vectors = {}
    for name in ["F32", "F16", "BF16", *FLOAT16_OFFSETS]:
        data = stored(name, random)
        values = quants.dequantize(data, Type[name]).astype("<f4").reshape(-1)
        vectors[name] = {
            "typeId": int(Type[name]),
            "stored": base64.b64encode(data.tobytes()).decode(),
            "values": base64.b64encode(values.tobytes()).decode(),
        }
    print(json.dumps({"source": "gguf.quants of PyPI gguf 0.19.0", "vectors": vectors}, indent=2))


main()
