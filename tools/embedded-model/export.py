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
MODEL_NAMES = {"llama": "kvtuner-embedded", "qwen3": "kvtuner-miniature-qwen3", "gpt-oss": "kvtuner-miniature-gpt-oss"}

NAMES = {
    "embedding.weight": "token_embd.weight",
    "norm.weight": "output_norm.weight",
    "output.weight": "output.weight",
}
LAYER_NAMES = {
    "attention_norm": "attn_norm",
    "query": "attn_q",
    "key": "attn_k",
    "value": "attn_v",
    "output": "attn_output",
    "query_norm": "attn_q_norm",
    "key_norm": "attn_k_norm",
    "sinks": "attn_sinks",
    "feed_forward_norm": "ffn_norm",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
    "experts.router": "ffn_gate_inp",
    "experts.gate": "ffn_gate_exps",
    "experts.up": "ffn_up_exps",
    "experts.down": "ffn_down_exps",
}
OTHER_LAYER_NAMES = {"gpt-oss": {"feed_forward_norm": "post_attention_norm"}}
"""Names that only one architecture has."""


def load(checkpoint: Path) -> Decoder:
    state = torch.load(checkpoint, map_location="cpu")
    model = Decoder(Shape(**state["shape"]))
    model.load_state_dict(state["model"])
    return model.eval()


def stored_name(architecture: str, name: str) -> str:
    """`layers.3.query.weight` is `blk.3.attn_q.weight` in the file."""
    if name in NAMES:
        return NAMES[name]
    _, layer, part = name.split(".", 2)
    part, kind = (part, "weight") if part == "sinks" else part.rsplit(".", 1)
    names = {**LAYER_NAMES, **OTHER_LAYER_NAMES.get(architecture, {})}
    return f"blk.{layer}.{names[part]}.{kind}"


def q8_0(weights: np.ndarray) -> tuple[bytes, np.ndarray]:
    """Blocks of 32 codes of 8 bits behind a float16 scale, and the numbers they stand for."""
    blocks = weights.reshape(-1, 32)
    scales = (np.abs(blocks).max(axis=1, keepdims=True) / 127).astype(np.float16)
    divisors = np.where(scales == 0, 1, scales).astype(np.float32)
    codes = np.clip(np.rint(blocks / divisors), -127, 127).astype(np.int8)
    stored = np.concatenate([scales.view(np.int8), codes], axis=1).tobytes()
    return stored, (codes * scales.astype(np.float32)).reshape(weights.shape)


def encoded(name: str, weights: np.ndarray, kind: str) -> tuple[int, bytes, np.ndarray]:
    """Type, bytes and stored numbers of a tensor: vectors, biases and routers stay in float32."""
    if weights.ndim == 1 or name.endswith(".bias") or ".router." in name:
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
    sizes = {key: value(FLOAT32 if isinstance(size, float) else UINT32, size) for key, size in size_keys(shape).items()}
    return {
        "general.architecture": value(STRING, shape.architecture),
        "general.name": value(STRING, MODEL_NAMES[shape.architecture]),
        "general.license": value(STRING, "mit"),
        "general.file_type": value(UINT32, FILE_TYPES[kind]),
        **{f"{shape.architecture}.{key}": size for key, size in sizes.items()},
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


def size_keys(shape: Shape) -> dict[str, int | float]:
    sizes = {
        "block_count": shape.layers,
        "context_length": shape.context,
        "embedding_length": shape.hidden,
        "feed_forward_length": shape.feed_forward,
        "attention.head_count": shape.query_heads,
        "attention.head_count_kv": shape.kv_heads,
        "attention.layer_norm_rms_epsilon": shape.norm_epsilon,
        "rope.dimension_count": shape.head,
        "rope.freq_base": shape.rope_base,
        "vocab_size": shape.vocabulary,
    }
    if shape.head * shape.query_heads != shape.hidden:
        sizes |= {"attention.key_length": shape.head, "attention.value_length": shape.head}
    if shape.span is not None:
        sizes |= {"attention.sliding_window": shape.span}
    if shape.shared_layers:
        sizes |= {"attention.shared_kv_layers": shape.shared_layers}
    if shape.experts:
        sizes |= {
            "expert_count": shape.experts,
            "expert_used_count": shape.used_experts,
            "expert_feed_forward_length": shape.feed_forward,
        }
    return sizes


def padding(size: int) -> bytes:
    return bytes(-size % ALIGNMENT)


def gguf(model: Decoder, kind: str) -> bytes:
    """The file; the model is left with the weights that the file holds."""
    infos, data = b"", b""
    weights = dict(model.named_parameters())
    for name, weight in weights.items():
        type_id, stored, numbers = encoded(name, weight.detach().numpy(), kind)
        weight.data = torch.from_numpy(numbers.copy())
        infos += string(stored_name(model.shape.architecture, name)) + struct.pack("<I", weight.ndim)
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
