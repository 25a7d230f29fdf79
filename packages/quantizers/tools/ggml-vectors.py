"""Writes src/codecs/block-formats/ggml-vectors.json: blocks encoded and decoded by ggml itself.

    pip install numpy gguf && python3 packages/quantizers/tools/ggml-vectors.py FOLDER [CPU_LIBRARY]

FOLDER has llama.cpp's libggml-base.so, such as the one in the npm package @node-llama-cpp/linux-x64. Compares ggml with the
package gguf where that encodes, and prints how many blocks `from_float` of CPU_LIBRARY encodes otherwise. Arrays are base64.
"""

import base64
import ctypes
import json
import pathlib
import sys

import gguf
import numpy as np

# Type number and bytes of a block of 32 numbers.
TYPES = {"q8_0": (8, 34), "q5_1": (7, 24), "q5_0": (6, 22), "q4_1": (3, 20), "q4_0": (2, 18), "iq4_nl": (20, 18), "mxfp4": (39, 17)}
BLOCKS = 40


def text(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def inputs(random):
    """Normal numbers of many magnitudes, multiples of a power of two (ties), one sign, one number, zeros, float16's limit."""
    x = random.standard_normal((BLOCKS, 32)) * np.exp(2 * random.standard_normal((BLOCKS, 1)))
    x[:8] = np.round(4 * x[:8]) / 4
    x[8] = np.abs(x[8])
    x[9, 1:] = 0
    x[10] = 0.5
    x[11] *= 2**-20
    x[12] *= 65504 / np.abs(x[12]).max()
    return x.astype(np.float32)


def run(function, source, target):
    function(source.ctypes.data_as(ctypes.c_void_p), target.ctypes.data_as(ctypes.c_void_p), ctypes.c_int64(BLOCKS * 32))
    return target


def vectors(base, name, x):
    blocks = run(getattr(base, f"quantize_row_{name}_ref"), x, np.zeros((BLOCKS, TYPES[name][1]), np.uint8))
    decoded = run(getattr(base, f"dequantize_row_{name}"), blocks, np.zeros_like(x))
    try:
        other = gguf.quants.quantize(x, gguf.GGMLQuantizationType[name.upper()])
        print(name, "blocks that gguf encodes otherwise:", int((other != blocks).any(axis=1).sum()))
    except NotImplementedError:
        print(name, "is not encoded by gguf")
    return {"blocks": text(blocks), "decoded": text(decoded)}


class Traits(ctypes.Structure):
    _fields_ = [("from_float", ctypes.c_void_p), ("rest", ctypes.c_char * 24)]


def compare_from_float(base, path, random):
    cpu = ctypes.CDLL(path)
    cpu.ggml_get_type_traits_cpu.restype = ctypes.POINTER(Traits)
    signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
    for name, (number, size) in TYPES.items():
        from_float = signature(cpu.ggml_get_type_traits_cpu(number)[0].from_float)
        differing = 0
        for _ in range(50):
            x = inputs(random)
            expected = run(getattr(base, f"quantize_row_{name}_ref"), x, np.zeros((BLOCKS, size), np.uint8))
            differing += int((run(from_float, x, np.zeros_like(expected)) != expected).any(axis=1).sum())
        print(name, "blocks that from_float encodes otherwise:", differing, "of", 50 * BLOCKS)


base = ctypes.CDLL(str(pathlib.Path(sys.argv[1]) / "libggml-base.so"), mode=ctypes.RTLD_GLOBAL)
x = inputs(np.random.default_rng(18))
target = pathlib.Path(__file__).parent.parent / "src/codecs/block-formats/ggml-vectors.json"
target.write_text(json.dumps({"x": text(x)} | {name: vectors(base, name, x) for name in TYPES}, indent=2) + "\n")
if len(sys.argv) > 2:
    compare_from_float(base, sys.argv[2], np.random.default_rng(19))
