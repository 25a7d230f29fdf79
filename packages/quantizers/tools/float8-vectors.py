"""Writes src/float8-vectors.json: all codes and 10,000 roundings of both formats, by the package ml_dtypes.

    pip install ml_dtypes numpy && python3 packages/quantizers/tools/float8-vectors.py

Inputs are within the largest number of a format, where ml_dtypes does not overflow: normal, subnormal, halfway between
two neighbours, and one float32 step beside halfway. Arrays are base64: float32 or bytes, little-endian.
"""

import base64
import json
import pathlib

import ml_dtypes
import numpy as np

FORMATS = {"e4m3": ml_dtypes.float8_e4m3fn, "e5m2": ml_dtypes.float8_e5m2}
ROUNDINGS = 10_000


def text(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def inputs(numbers, random):
    finite = np.sort(numbers[np.isfinite(numbers)])
    middles = ((finite[1:].astype(np.float64) + finite[:-1]) / 2).astype(np.float32)
    beside = [np.nextafter(middles, np.float32(limit)) for limit in (-np.inf, np.inf)]
    ties = np.concatenate([middles, *beside])
    largest = float(finite[-1])
    exponents = random.uniform(np.log2(largest) - 40, np.log2(largest), ROUNDINGS - len(ties))
    signs = random.choice([-1, 1], len(exponents))
    return np.concatenate([ties, (signs * 2**exponents).astype(np.float32)])


def vectors(dtype, random):
    numbers = np.arange(256, dtype=np.uint8).view(dtype).astype(np.float32)
    x = inputs(numbers, random)
    return {"numbers": text(numbers), "x": text(x), "codes": text(x.astype(dtype).view(np.uint8))}


random = np.random.default_rng(1)
path = pathlib.Path(__file__).parent.parent / "src" / "float8-vectors.json"
path.write_text(json.dumps({name: vectors(dtype, random) for name, dtype in FORMATS.items()}, indent=2) + "\n")
