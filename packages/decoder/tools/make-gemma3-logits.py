"""Makes src/fixtures/gemma3-270m.json: logits of the real file Gemma 3 270M by PyTorch `transformers` in double precision, with
the weights that the Python package `gguf` dequantizes.

The fixture's token ids are kept; only their logits are computed again. Needs about 5 GB of memory.

Run, after `npm run model -- gemma3-270m`:
    python3 -m venv venv && venv/bin/pip install torch==2.15.0 transformers==5.24.0 gguf==0.19.0
    venv/bin/python make-gemma3-logits.py ~/.cache/kvtuner/models/gemma3-270m.gguf
"""

import json
import pathlib
import sys

import gguf
import torch
import transformers

FIXTURE = pathlib.Path(__file__).parent.parent / "src" / "fixtures" / "gemma3-270m.json"
# Rows with logits: the first ones, some around the span of 512 tokens, and the last.
ROWS = [0, 1, 2, 30, 510, 511, 512, 513, -1]
LARGEST = 8
STEP = 9_973

PARTS = {
    "attn_norm": "input_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def target(name):
    """A tensor's name in transformers."""
    if name == "token_embd.weight":
        return "model.embed_tokens.weight"
    if name == "output_norm.weight":
        return "model.norm.weight"
    _, layer, part, _ = name.split(".")
    return f"model.layers.{layer}.{PARTS[part]}.weight"


def config(reader):
    def key(name):
        return reader.fields[f"gemma3.{name}"].contents()

    return transformers.Gemma3TextConfig(
        vocab_size=262_144,
        hidden_size=key("embedding_length"),
        intermediate_size=key("feed_forward_length"),
        num_hidden_layers=key("block_count"),
        num_attention_heads=key("attention.head_count"),
        num_key_value_heads=key("attention.head_count_kv"),
        head_dim=key("attention.key_length"),
        query_pre_attn_scalar=key("attention.key_length"),
        rms_norm_eps=key("attention.layer_norm_rms_epsilon"),
        sliding_window=key("attention.sliding_window"),
        max_position_embeddings=key("context_length"),
        rope_parameters={
            "full_attention": {"rope_type": "default", "rope_theta": key("rope.freq_base")},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
        },
        attn_implementation="eager",
    )


def main(path):
    reader = gguf.GGUFReader(path)
    torch.set_default_dtype(torch.float64)
    model = transformers.Gemma3ForCausalLM(config(reader)).eval()
    parameters = dict(model.named_parameters())
    for tensor in reader.tensors:
        numbers = torch.from_numpy(gguf.dequantize(tensor.data, tensor.tensor_type)).double()
        # The converter adds 1 to the weights of norms.
        parameters.pop(target(tensor.name)).data.copy_(numbers - 1 if "norm" in tensor.name else numbers)
    assert not parameters, parameters.keys()
    fixture = json.loads(FIXTURE.read_text())
    with torch.no_grad():
        hidden = model.model(torch.tensor([fixture["ids"]])).last_hidden_state[0]
        logits = model.lm_head(hidden[ROWS])
    fixture["rows"] = []
    for row, numbers in zip(ROWS, logits):
        ids = torch.topk(numbers, LARGEST).indices.tolist() + list(range(0, len(numbers), STEP))
        values = [float(f"{numbers[token]:.7g}") for token in ids]
        fixture["rows"].append({"position": row % len(fixture["ids"]), "tokens": ids, "logits": values})
    FIXTURE.write_text(json.dumps(fixture) + "\n")


main(sys.argv[1])
