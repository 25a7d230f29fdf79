"""Makes src/fixtures/gradients/NAME.json: gradients of a GGUF file of architecture `llama` by PyTorch's autograd in double precision,
with the weights that the Python package `gguf` dequantizes. See family_gradients.py.

Run:
    python3 -m venv venv && venv/bin/pip install torch==2.15.0 transformers==5.24.0 gguf==0.19.0
    venv/bin/python make-llama-gradients.py smollm2 ~/.cache/kvtuner/models/smollm2.gguf
    venv/bin/python make-llama-gradients.py embedded ../../embedded-model/model.gguf
"""

import json
import pathlib
import sys

import gguf
import torch
import transformers

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from family_gradients import gradients  # noqa: E402
from family_models import unpermuted  # noqa: E402

FOLDER = pathlib.Path(__file__).parent.parent / "src" / "fixtures" / "gradients"
TOKENS = 40

PARTS = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}

NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}


def target(name):
    """A tensor's name in transformers."""
    if name in NAMES:
        return NAMES[name]
    _, layer, part, _ = name.split(".")
    return f"model.layers.{layer}.{PARTS[part]}.weight"


def load(path):
    """The model, and what puts rows of queries and keys in its order."""
    reader = gguf.GGUFReader(path)
    tensors = {tensor.name: tensor for tensor in reader.tensors}

    def key(name, fallback=None):
        field = reader.fields.get(f"llama.{name}")
        return field.contents() if field else fallback

    heads = key("attention.head_count")
    head = key("attention.key_length", key("embedding_length") // heads)
    config = transformers.LlamaConfig(
        vocab_size=int(tensors["token_embd.weight"].shape[1]),
        hidden_size=key("embedding_length"),
        intermediate_size=key("feed_forward_length"),
        num_hidden_layers=key("block_count"),
        num_attention_heads=heads,
        num_key_value_heads=key("attention.head_count_kv"),
        head_dim=head,
        rms_norm_eps=key("attention.layer_norm_rms_epsilon"),
        max_position_embeddings=key("context_length"),
        rope_parameters={"rope_type": "default", "rope_theta": key("rope.freq_base", 10_000.0)},
        tie_word_embeddings="output.weight" not in tensors,
        attn_implementation="eager",
    )
    model = transformers.LlamaForCausalLM(config).eval()
    convert = unpermuted(head)
    parameters = dict(model.named_parameters())
    for name, tensor in tensors.items():
        numbers = torch.from_numpy(gguf.dequantize(tensor.data, tensor.tensor_type).copy()).double()
        parameters.pop(target(name)).data.copy_(convert(name, numbers))
    assert not parameters, parameters.keys()
    return model, convert


def main(name, path):
    torch.set_default_dtype(torch.float64)
    model, convert = load(path)
    ids = [(index * 977 + 13) % model.config.vocab_size for index in range(TOKENS)]
    fixture = {"ids": ids, "gradients": gradients(model, ids, convert)}
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps(fixture) + "\n")


main(*sys.argv[1:])
