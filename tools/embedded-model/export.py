"""Writes a checkpoint as GGUF: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md"""

import argparse
import struct
from pathlib import Path

import numpy as np
import torch

from model import Decoder, Shape
from vocabulary import BOS, EOS, byte_symbols

ALIGNMENT = 32
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
F32, F16, Q8_0 = 0, 1, 8
FILE_TYPES = {"f16": 1, "q8_0": 7}
NORMAL, CONTROL = 1, 3
CHAT_TEMPLATE = "{{ messages[-1].content }}"
"""The model knows no conversation: it goes on from the last message."""

NAMES = {
    "attention_norm": "attn_norm",
    "query": "attn_q",
    "key": "attn_k",
    "value": "attn_v",
    "output": "attn_output",
    "feed_forward_norm": "ffn_norm",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}


def load(checkpoint: Path) -> Decoder:
    state = torch.load(checkpoint, map_location="cpu")
    model = Decoder(Shape(**state["shape"]))
    model.load_state_dict(state["model"])
    return model.eval()


def stored_name(name: str) -> str:
    """`layers.3.query.weight` is `blk.3.attn_q.weight` in the file."""
    if name == "embedding.weight":
        return "token_embd.weight"
    if name == "norm.weight":
        return "output_norm.weight"
    _, layer, part, _ = name.split(".")
    return f"blk.{layer}.{NAMES[part]}.weight"


def q8_0(weights: np.ndarray) -> tuple[bytes, np.ndarray]:
    """Blocks of 32 codes of 8 bits behind a float16 scale, and the numbers they stand for."""
    blocks = weights.reshape(-1, 32)
    scales = (np.abs(blocks).max(axis=1, keepdims=True) / 127).astype(np.float16)
    divisors = np.where(scales == 0, 1, scales).astype(np.float32)
    codes = np.clip(np.rint(blocks / divisors), -127, 127).astype(np.int8)
    stored = np.concatenate([scales.view(np.int8), codes], axis=1).tobytes()
    return stored, (codes * scales.astype(np.float32)).reshape(weights.shape)


def encoded(weights: np.ndarray, kind: str) -> tuple[int, bytes, np.ndarray]:
    """Type, bytes and stored numbers of a tensor: vectors stay in float32."""
    if weights.ndim == 1:
        return F32, weights.tobytes(), weights
    if kind == "f16":
        half = weights.astype(np.float16)
        return F16, half.tobytes(), half.astype(np.float32)
    return Q8_0, *q8_0(weights)


def string(text: str) -> bytes:
    data = text.encode("utf-8")
    return struct.pack("<Q", len(data)) + data


def value(kind: int, content) -> bytes:
    packed = {
        UINT32: lambda: struct.pack("<I", content),
        FLOAT32: lambda: struct.pack("<f", content),
        BOOL: lambda: struct.pack("<?", content),
        STRING: lambda: string(content),
    }
    return struct.pack("<I", kind) + packed[kind]()


def array(kind: int, items: list) -> bytes:
    body = b"".join(map(string, items)) if kind == STRING else struct.pack(f"<{len(items)}i", *items)
    return struct.pack("<IIQ", ARRAY, kind, len(items)) + body


def metadata(shape: Shape, kind: str) -> dict[str, bytes]:
    return {
        "general.architecture": value(STRING, "llama"),
        "general.name": value(STRING, "kvtuner-embedded"),
        "general.license": value(STRING, "mit"),
        "general.file_type": value(UINT32, FILE_TYPES[kind]),
        "llama.block_count": value(UINT32, shape.layers),
        "llama.context_length": value(UINT32, shape.context),
        "llama.embedding_length": value(UINT32, shape.hidden),
        "llama.feed_forward_length": value(UINT32, shape.feed_forward),
        "llama.attention.head_count": value(UINT32, shape.query_heads),
        "llama.attention.head_count_kv": value(UINT32, shape.kv_heads),
        "llama.attention.layer_norm_rms_epsilon": value(FLOAT32, shape.norm_epsilon),
        "llama.rope.dimension_count": value(UINT32, shape.head),
        "llama.rope.freq_base": value(FLOAT32, shape.rope_base),
        "llama.vocab_size": value(UINT32, shape.vocabulary),
        "tokenizer.ggml.model": value(STRING, "gpt2"),
        "tokenizer.ggml.pre": value(STRING, "gpt-2"),
        "tokenizer.ggml.tokens": array(STRING, [*byte_symbols(), "<|begin|>", "<|end|>"]),
        "tokenizer.ggml.token_type": array(INT32, [NORMAL] * 256 + [CONTROL] * 2),
        "tokenizer.ggml.merges": array(STRING, []),
        "tokenizer.ggml.bos_token_id": value(UINT32, BOS),
        "tokenizer.ggml.eos_token_id": value(UINT32, EOS),
        "tokenizer.ggml.add_bos_token": value(BOOL, False),
        "tokenizer.chat_template": value(STRING, CHAT_TEMPLATE),
    }


def padding(size: int) -> bytes:
    return bytes(-size % ALIGNMENT)


def gguf(model: Decoder, kind: str) -> bytes:
    """The file; the model is left with the weights that the file holds."""
    infos, data = b"", b""
    weights = dict(model.named_parameters())
    for name, weight in weights.items():
        type_id, stored, numbers = encoded(weight.detach().numpy(), kind)
        weight.data = torch.from_numpy(numbers.copy())
        infos += string(stored_name(name)) + struct.pack("<I", weight.ndim)
        infos += struct.pack(f"<{weight.ndim}Q", *reversed(weight.shape)) + struct.pack("<IQ", type_id, len(data))
        data += stored + padding(len(stored))
    entries = metadata(model.shape, kind)
    header = b"GGUF" + struct.pack("<IQQ", 3, len(weights), len(entries))
    header += b"".join(string(key) + entry for key, entry in entries.items()) + infos
    return header + padding(len(header)) + data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--type", choices=FILE_TYPES, default="q8_0")
    options = parser.parse_args()
    options.file.write_bytes(gguf(load(options.checkpoint), options.type))


if __name__ == "__main__":
    main()
