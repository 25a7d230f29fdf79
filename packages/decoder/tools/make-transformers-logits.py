"""Makes src/fixtures/transformers-logits.json: logits that PyTorch `transformers` computes from the weights of
src/test-support/random-weights.ts, which this script generates again.

Run: pip install torch==2.15.0 transformers==5.24.0 && python3 make-transformers-logits.py > ../src/fixtures/transformers-logits.json
"""

import json
import math

import numpy
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

SEED = 7
ROWS = 12
SIZES = {"layers": 3, "hidden": 32, "feed_forward": 48, "heads": 4, "kv_heads": 2, "head": 24, "vocabulary": 50}
ROPE_BASE = 1_000_000

# Tensors of a layer in the order of random-weights.ts: their names in GGUF and in transformers.
QWEN3_LAYER = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def generator(seed):
    """The linear congruential generator of random-weights.ts."""
    state = seed
    while True:
        state = (state * 1_664_525 + 1_013_904_223) % 2**32
        yield state / 2**31 - 1


def weights(shapes):
    """Tensors of an untied model, by their names in transformers."""
    random = generator(SEED)

    def tensor(name, scale, offset=0.0):
        shape = shapes[name]
        numbers = [offset + scale * next(random) for _ in range(math.prod(shape))]
        return torch.from_numpy(numpy.array(numbers, numpy.float32).reshape(shape))

    names = {"model.embed_tokens.weight": (1,), "lm_head.weight": (0.3,), "model.norm.weight": (0.2, 1)}
    tensors = {name: tensor(name, *scale) for name, scale in names.items()}
    for layer in range(SIZES["layers"]):
        for gguf_name, part in QWEN3_LAYER.items():
            name = f"model.layers.{layer}.{part}.weight"
            is_head_norm = gguf_name in ("attn_q_norm", "attn_k_norm")
            is_norm = len(shapes[name]) == 1
            scale = 0.5 if is_head_norm else 0.2 if is_norm else 1.5 / math.sqrt(shapes[name][1])
            tensors[name] = tensor(name, scale, 1 if is_norm else 0)
    return tensors


def main():
    config = Qwen3Config(
        vocab_size=SIZES["vocabulary"],
        hidden_size=SIZES["hidden"],
        intermediate_size=SIZES["feed_forward"],
        num_hidden_layers=SIZES["layers"],
        num_attention_heads=SIZES["heads"],
        num_key_value_heads=SIZES["kv_heads"],
        head_dim=SIZES["head"],
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_BASE},
        tie_word_embeddings=False,
        attn_implementation="eager",
    )
    model = Qwen3ForCausalLM(config).eval()
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    model.load_state_dict(weights(shapes), strict=True)
    ids = [(index * 17 + 3) % SIZES["vocabulary"] for index in range(ROWS)]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
    rows = [[float(f"{number:.7g}") for number in row] for row in logits.tolist()]
    print(json.dumps({"qwen3": rows}))


main()
