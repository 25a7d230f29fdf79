"""Small models of each family, for make-family-models.py: the metadata and tensors of a GGUF file, and the same model in
`transformers`."""

from dataclasses import dataclass, field
from typing import Callable

import numpy
import torch
import transformers

HIDDEN, FEED_FORWARD, HEADS, KV_HEADS, HEAD, VOCABULARY = 32, 48, 4, 2, 16, 50

# Parts of a layer's tensors that layers without a cache do not have.
KEY_VALUE = ("attn_k", "attn_v")

# Scale and offset of RoPE's tensors of factors.
ROPE_FACTORS = (0.5, 2.0)


def noise(name, count):
    """Numbers from -1 to 1: a linear congruential generator that starts from the FNV-1a hash of the tensor's name."""
    state = 0x811C9DC5
    for byte in name.encode():
        state = (state ^ byte) * 0x01000193 % 2**32
    numbers = numpy.empty(count)
    for index in range(count):
        state = (state * 1_664_525 + 1_013_904_223) % 2**32
        numbers[index] = state / 2**31 - 1
    return numbers


@dataclass
class Family:
    architecture: str
    # Keys below the architecture, besides the sizes; they override these, and None leaves a key out.
    keys: dict
    # Makes the model of transformers.
    model: Callable
    # Shapes of the tensors of a layer by the part of their name after `blk.N.`, and their names in transformers; or a function
    # of the layer that returns them.
    layer: dict | Callable
    # Tells fixtures of one architecture apart.
    variant: str = ""
    layers: int = 3
    # Last layers that read the cache of an earlier one, and have no tensors for keys and values.
    shared: int = 0
    head: int = HEAD
    is_tied: bool = True
    # Name of the last norm, and its name in transformers.
    head_norm: tuple = ("output_norm.weight", "model.norm.weight")
    # Whether the model is loaded for a context as long as its logits, which makes a difference to Phi-3.
    is_long: bool = False
    # Other tensors of the file: name to shape.
    extra: dict = field(default_factory=dict)
    # Names in transformers of other tensors by their names in GGUF.
    extra_names: dict = field(default_factory=dict)
    # Numbers of tensors that transformers computes.
    values: dict = field(default_factory=dict)
    # Changes tensors, by their names in GGUF, before transformers gets them.
    convert: Callable = lambda name, tensor: tensor
    # Scales, or pairs of scale and offset, by the part of a name after `blk.N.`, where they are not those of make-family-models.py.
    scales: dict = field(default_factory=dict)
    # Tensors of a layer in transformers that are made of several in GGUF.
    joined: Callable = lambda tensors, layer: {}

    @property
    def name(self):
        return f"{self.architecture}.{self.variant}" if self.variant else self.architecture

    @property
    def missing(self):
        """Names in transformers of tensors that the file does not have."""
        tied = ["lm_head.weight"] if self.is_tied else []
        shared = range(self.layers - self.shared, self.layers)
        return tied + [
            f"model.layers.{layer}.{name}"
            for layer in shared
            for part, (_, name) in self.all_parts(layer).items()
            if part.startswith(KEY_VALUE)
        ]

    def all_parts(self, layer):
        return self.layer(layer) if callable(self.layer) else self.layer

    def parts(self, layer):
        """Tensors of a layer."""
        parts = self.all_parts(layer)
        if layer < self.layers - self.shared:
            return parts
        return {part: names for part, names in parts.items() if not part.startswith(KEY_VALUE)}

    @property
    def metadata(self):
        keys = {
            "block_count": self.layers,
            "context_length": 512,
            "embedding_length": HIDDEN,
            "feed_forward_length": FEED_FORWARD,
            "attention.head_count": HEADS,
            "attention.head_count_kv": KV_HEADS,
            "attention.key_length": self.head,
            "attention.layer_norm_rms_epsilon": 1e-5,
            **({"attention.shared_kv_layers": self.shared} if self.shared else {}),
            **self.keys,
        }
        named = {f"{self.architecture}.{key}": value for key, value in keys.items() if value is not None}
        return {"general.architecture": self.architecture, **named}

    @property
    def names(self):
        """Names in transformers by names in GGUF, of tensors that have one."""
        names = {"token_embd.weight": "model.embed_tokens.weight", self.head_norm[0]: self.head_norm[1]}
        names |= self.extra_names
        if not self.is_tied:
            names["output.weight"] = "lm_head.weight"
        for layer in range(self.layers):
            for part, (_, name) in self.parts(layer).items():
                if name is None:
                    continue
                names[f"blk.{layer}.{part}"] = f"model.layers.{layer}.{name}"
        return names

    @property
    def shapes(self):
        shapes = {"token_embd.weight": (VOCABULARY, HIDDEN), self.head_norm[0]: (HIDDEN,), **self.extra}
        if not self.is_tied:
            shapes["output.weight"] = (VOCABULARY, HIDDEN)
        for layer in range(self.layers):
            for part, (shape, _) in self.parts(layer).items():
                shapes[f"blk.{layer}.{part}"] = shape
        return shapes

    def state(self, tensors):
        state = {name: self.convert(gguf, tensors[gguf]) for gguf, name in self.names.items()}
        for layer in range(self.layers):
            state |= self.joined(tensors, layer)
        return state


def projections(head=HEAD, bias=False):
    """Query, key and value in tensors of their own."""
    parts = {}
    for letter, heads in (("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS)):
        parts[f"attn_{letter}.weight"] = ((heads * head, HIDDEN), f"self_attn.{letter}_proj.weight")
        if bias:
            parts[f"attn_{letter}.bias"] = ((heads * head,), f"self_attn.{letter}_proj.bias")
    parts["attn_output.weight"] = ((HIDDEN, HEADS * head), "self_attn.o_proj.weight")
    return parts


def head_norms(head=HEAD):
    return {f"attn_{letter}_norm.weight": ((head,), f"self_attn.{letter}_norm.weight") for letter in "qk"}


GATED = {
    "ffn_gate.weight": ((FEED_FORWARD, HIDDEN), "mlp.gate_proj.weight"),
    "ffn_up.weight": ((FEED_FORWARD, HIDDEN), "mlp.up_proj.weight"),
    "ffn_down.weight": ((HIDDEN, FEED_FORWARD), "mlp.down_proj.weight"),
}

NORMS_BEFORE = {
    "attn_norm.weight": ((HIDDEN,), "input_layernorm.weight"),
    "ffn_norm.weight": ((HIDDEN,), "post_attention_layernorm.weight"),
}


def interleaved(heads, head, dimensions=None):
    """Order of rows in a file of NORM rope: row `2i + b` of a head is row `i + b * half` in transformers."""
    dimensions = dimensions or head
    half = dimensions // 2
    within = [2 * (row % half) + row // half if row < dimensions else row for row in range(head)]
    return torch.tensor([h * head + row for h in range(heads) for row in within])


def unpermuted(head=HEAD, dimensions=None):
    """Puts query and key rows back in the order of transformers."""

    def convert(name, tensor):
        if ".attn_q." in name or ".attn_k." in name:
            return tensor[interleaved(tensor.shape[0] // head, head, dimensions)]
        return tensor

    return convert


def common(head=HEAD, layers=3, tied=True, **rest):
    """Arguments of a configuration in transformers."""
    return {
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "intermediate_size": FEED_FORWARD,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": head,
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": 512,
        "tie_word_embeddings": tied,
        "attn_implementation": "eager",
        "experts_implementation": "eager",
        **rest,
    }


def rope(base, **rest):
    return {"rope_type": "default", "rope_theta": base, **rest}


def llama():
    config = transformers.LlamaConfig(**common(rope_parameters=rope(10_000.0)))
    return transformers.LlamaForCausalLM(config)


def llama_yarn():
    ropes = rope(10_000.0, rope_type="yarn", factor=4.0, original_max_position_embeddings=64)
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**common(rope_parameters=ropes)))


def llama_mistral():
    config = transformers.MistralConfig(**common(head=8, rope_parameters=rope(10_000.0)), sliding_window=5)
    return transformers.MistralForCausalLM(config)


def mistral3():
    ropes = rope(
        100.0,
        rope_type="yarn",
        factor=4.0,
        original_max_position_embeddings=8,
        beta_fast=4.0,
        beta_slow=0.5,
        mscale=1.0,
        mscale_all_dim=0.5,
        llama_4_scaling_beta=0.1,
    )
    return transformers.Ministral3ForCausalLM(transformers.Ministral3Config(**common(rope_parameters=ropes)))


def phi3(**rest):
    ropes = {**rope(10_000.0), **rest.pop("rope_parameters", {})}
    config = transformers.Phi3Config(**common(head=8, tied=False, rope_parameters=ropes, pad_token_id=0), **rest)
    return transformers.Phi3ForCausalLM(config)


def long_rope(original):
    """Arguments of a Phi-3 with RoPE in 6 of 8 channels and two sets of factors."""

    def factors(length):
        scale, offset = ROPE_FACTORS
        return [float(numpy.float32(offset + scale * x)) for x in noise(f"rope_factors_{length}.weight", 3)]

    ropes = {
        "rope_type": "longrope",
        "partial_rotary_factor": 0.75,
        "attention_factor": 1.25,
        "original_max_position_embeddings": original,
        "long_factor": factors("long"),
        "short_factor": factors("short"),
    }
    return {"rope_parameters": ropes, "original_max_position_embeddings": original}


def smollm3():
    config = transformers.SmolLM3Config(
        **common(layers=5, rope_parameters=rope(5e6), pad_token_id=0), use_sliding_window=False
    )
    return transformers.SmolLM3ForCausalLM(config)


PHI3_LAYER = {
    **NORMS_BEFORE,
    "attn_qkv.weight": (((HEADS + 2 * KV_HEADS) * 8, HIDDEN), "self_attn.qkv_proj.weight"),
    "attn_output.weight": ((HIDDEN, HEADS * 8), "self_attn.o_proj.weight"),
    "ffn_up.weight": ((2 * FEED_FORWARD, HIDDEN), "mlp.gate_up_proj.weight"),
    "ffn_down.weight": ((HIDDEN, FEED_FORWARD), "mlp.down_proj.weight"),
}


def phi3_long(original, variant):
    keys = {
        "attention.key_length": None,
        "rope.dimension_count": 6,
        "rope.freq_base": 10_000,
        "rope.scaling.type": "longrope",
        "rope.scaling.attn_factor": 1.25,
        "rope.scaling.original_context_length": original,
    }
    return Family(
        "phi3",
        keys,
        lambda: phi3(**long_rope(original)),
        PHI3_LAYER,
        variant=variant,
        head=8,
        is_tied=False,
        is_long=variant == "long",
        extra={f"rope_factors_{length}.weight": (3,) for length in ("long", "short")},
    )


def qwen2():
    config = transformers.Qwen2Config(**common(head=8, rope_parameters=rope(1e6), use_sliding_window=False))
    return transformers.Qwen2ForCausalLM(config)


def qwen3():
    config = transformers.Qwen3Config(**common(head=24, tied=False, rope_parameters=rope(1e6)))
    return transformers.Qwen3ForCausalLM(config)


def gemma3():
    ropes = {"full_attention": rope(1e6, rope_type="linear", factor=8.0), "sliding_attention": rope(10_000.0)}
    config = transformers.Gemma3TextConfig(
        **common(layers=7, rope_parameters=ropes), sliding_window=5, query_pre_attn_scalar=HEAD
    )
    return transformers.Gemma3ForCausalLM(config)


def gemma():
    config = transformers.GemmaConfig(**common(rope_parameters=rope(10_000.0)))
    return transformers.GemmaForCausalLM(config)


def gemma2():
    config = transformers.Gemma2Config(
        **common(layers=4, rope_parameters=rope(10_000.0)),
        sliding_window=5,
        query_pre_attn_scalar=HEAD,
        attn_logit_softcapping=2.0,
        final_logit_softcapping=3.0,
    )
    return transformers.Gemma2ForCausalLM(config)


GRANITE_SCALES = {
    "embedding_multiplier": 3.0,
    "residual_multiplier": 0.7,
    "logits_scaling": 2.5,
    "attention_multiplier": 0.2,
}


def granite(**rest):
    config = transformers.GraniteConfig(**common(head=8, rope_parameters=rope(10_000.0, **rest)), **GRANITE_SCALES)
    return transformers.GraniteForCausalLM(config)


def granite_without_rope():
    return granite(rope_type="linear", factor=1e12)


def olmo2():
    config = transformers.Olmo2Config(**common(head=8, tied=False, rope_parameters=rope(500_000.0)))
    return transformers.Olmo2ForCausalLM(config)


def olmo3():
    ropes = {"full_attention": rope(500_000.0, rope_type="linear", factor=8.0), "sliding_attention": rope(500_000.0)}
    config = transformers.Olmo3Config(**common(head=8, layers=5, tied=False, rope_parameters=ropes), sliding_window=5)
    return transformers.Olmo3ForCausalLM(config)


EXPERTS, EXPERTS_USED, EXPERT_FEED_FORWARD = 6, 2, 32


def qwen3moe():
    config = transformers.Qwen3MoeConfig(
        **common(head=24, tied=False, rope_parameters=rope(1e6)),
        num_experts=EXPERTS,
        num_experts_per_tok=EXPERTS_USED,
        moe_intermediate_size=EXPERT_FEED_FORWARD,
        norm_topk_prob=True,
    )
    return transformers.Qwen3MoeForCausalLM(config)


def mixtral():
    config = transformers.MixtralConfig(
        **common(head=8, rope_parameters=rope(1e6)),
        num_local_experts=EXPERTS,
        num_experts_per_tok=EXPERTS_USED,
        sliding_window=None,
    )
    return transformers.MixtralForCausalLM(config)


def experts(feed_forward):
    """Tensors of experts; transformers joins gate and up."""
    return {
        "ffn_gate_inp.weight": ((EXPERTS, HIDDEN), "mlp.gate.weight"),
        "ffn_gate_exps.weight": ((EXPERTS, feed_forward, HIDDEN), None),
        "ffn_up_exps.weight": ((EXPERTS, feed_forward, HIDDEN), None),
        "ffn_down_exps.weight": ((EXPERTS, HIDDEN, feed_forward), "mlp.experts.down_proj"),
    }


def joined_experts(tensors, layer):
    parts = [tensors[f"blk.{layer}.ffn_{part}_exps.weight"] for part in ("gate", "up")]
    return {f"model.layers.{layer}.mlp.experts.gate_up_proj": torch.cat(parts, dim=1)}


SHARED_FEED_FORWARD = 40


def qwen2moe():
    config = transformers.Qwen2MoeConfig(
        **common(head=8, tied=False, rope_parameters=rope(1e6)),
        num_experts=EXPERTS,
        num_experts_per_tok=EXPERTS_USED,
        moe_intermediate_size=EXPERT_FEED_FORWARD,
        shared_expert_intermediate_size=SHARED_FEED_FORWARD,
        norm_topk_prob=False,
    )
    return transformers.Qwen2MoeForCausalLM(config)


def granitemoe():
    config = transformers.GraniteMoeSharedConfig(
        **common(head=8, rope_parameters=rope(10_000.0)),
        **GRANITE_SCALES,
        num_local_experts=EXPERTS,
        num_experts_per_tok=EXPERTS_USED,
        shared_intermediate_size=SHARED_FEED_FORWARD,
    )
    return transformers.GraniteMoeSharedForCausalLM(config)


def olmoe():
    config = transformers.OlmoeConfig(
        **common(head=8, tied=False, rope_parameters=rope(10_000.0)) | {"num_key_value_heads": HEADS},
        num_experts=EXPERTS,
        num_experts_per_tok=EXPERTS_USED,
        norm_topk_prob=False,
    )
    return transformers.OlmoeForCausalLM(config)


QWEN2MOE_SHARED = {
    "ffn_gate_inp_shexp.weight": ((HIDDEN,), "mlp.shared_expert_gate.weight"),
    "ffn_gate_shexp.weight": ((SHARED_FEED_FORWARD, HIDDEN), "mlp.shared_expert.gate_proj.weight"),
    "ffn_up_shexp.weight": ((SHARED_FEED_FORWARD, HIDDEN), "mlp.shared_expert.up_proj.weight"),
    "ffn_down_shexp.weight": ((HIDDEN, SHARED_FEED_FORWARD), "mlp.shared_expert.down_proj.weight"),
}


def granitemoe_layer():
    return {
        **NORMS_BEFORE,
        **projections(head=8),
        **experts(FEED_FORWARD),
        "ffn_gate_inp.weight": ((EXPERTS, HIDDEN), "block_sparse_moe.router.weight"),
        "ffn_down_exps.weight": ((EXPERTS, HIDDEN, FEED_FORWARD), "block_sparse_moe.experts.down_proj"),
        "ffn_gate_shexp.weight": ((SHARED_FEED_FORWARD, HIDDEN), None),
        "ffn_up_shexp.weight": ((SHARED_FEED_FORWARD, HIDDEN), None),
        "ffn_down_shexp.weight": ((HIDDEN, SHARED_FEED_FORWARD), "shared_mlp.output_linear.weight"),
    }


def joined_granite_experts(tensors, layer):
    def both(kind, axis):
        return torch.cat([tensors[f"blk.{layer}.ffn_{part}_{kind}.weight"] for part in ("gate", "up")], dim=axis)

    return {
        f"model.layers.{layer}.block_sparse_moe.experts.gate_up_proj": both("exps", 1),
        f"model.layers.{layer}.shared_mlp.input_linear.weight": both("shexp", 0),
    }


def olmoe_layer():
    every_head = {
        f"attn_{letter}.weight": ((HEADS * 8, HIDDEN), f"self_attn.{letter}_proj.weight") for letter in "kv"
    }
    norms = {f"attn_{letter}_norm.weight": ((HEADS * 8,), f"self_attn.{letter}_norm.weight") for letter in "qk"}
    return {**NORMS_BEFORE, **projections(head=8), **every_head, **norms, **experts(FEED_FORWARD)}


def gpt_oss():
    ropes = rope(150_000.0, rope_type="yarn", factor=4.0, original_max_position_embeddings=64, truncate=False)
    config = transformers.GptOssConfig(
        **common(layers=4, tied=False, rope_parameters=ropes) | {"intermediate_size": EXPERT_FEED_FORWARD},
        num_local_experts=EXPERTS,
        num_experts_per_tok=EXPERTS_USED,
        sliding_window=5,
    )
    return transformers.GptOssForCausalLM(config)


def sharing(module, model, owners):
    """Makes the layers from `owners` on attend over keys and values of the last earlier layer of the same type."""
    attend, types, stored = module.eager_attention_forward, model.config.layer_types, {}

    def shared(layer, query, key, value, *rest, **options):
        if layer.config is not model.config:
            return attend(layer, query, key, value, *rest, **options)
        kind = types[layer.layer_idx]
        if layer.layer_idx < owners:
            stored[kind] = key, value
        return attend(layer, query, *stored[kind], *rest, **options)

    module.eager_attention_forward = shared
    return model


def gpt_oss_layer():
    biases = {
        "attn_output.bias": ((HIDDEN,), "self_attn.o_proj.bias"),
        "ffn_gate_inp.bias": ((EXPERTS,), "mlp.router.bias"),
        "ffn_gate_exps.bias": ((EXPERTS, EXPERT_FEED_FORWARD), None),
        "ffn_up_exps.bias": ((EXPERTS, EXPERT_FEED_FORWARD), None),
        "ffn_down_exps.bias": ((EXPERTS, HIDDEN), "mlp.experts.down_proj_bias"),
    }
    return {
        "attn_norm.weight": ((HIDDEN,), "input_layernorm.weight"),
        "post_attention_norm.weight": ((HIDDEN,), "post_attention_layernorm.weight"),
        "attn_sinks.weight": ((HEADS,), "self_attn.sinks"),
        **projections(bias=True),
        **experts(EXPERT_FEED_FORWARD),
        "ffn_gate_inp.weight": ((EXPERTS, HIDDEN), "mlp.router.weight"),
        "ffn_down_exps.weight": ((EXPERTS, HIDDEN, EXPERT_FEED_FORWARD), None),
        **biases,
    }


def interleaved_experts(tensors, layer):
    """Gate and up in turn, and matrices transposed."""

    def both(part):
        gate, up = (tensors[f"blk.{layer}.ffn_{name}_exps.{part}"] for name in ("gate", "up"))
        return torch.stack([gate, up], dim=2).flatten(1, 2)

    prefix = f"model.layers.{layer}.mlp.experts"
    return {
        f"{prefix}.gate_up_proj": both("weight").transpose(1, 2),
        f"{prefix}.gate_up_proj_bias": both("bias"),
        f"{prefix}.down_proj": tensors[f"blk.{layer}.ffn_down_exps.weight"].transpose(1, 2),
    }


LFM2_KV_HEADS = [0, 0, KV_HEADS, 0, KV_HEADS, 0]
LFM2_KERNEL = 3


def lfm2():
    config = transformers.Lfm2Config(
        **{name: value for name, value in common(head=8, layers=6, rope_parameters=rope(1e6)).items() if name != "rms_norm_eps"},
        norm_eps=1e-5,
        conv_L_cache=LFM2_KERNEL,
        block_auto_adjust_ff_dim=False,
        layer_types=["full_attention" if heads else "conv" for heads in LFM2_KV_HEADS],
        pad_token_id=0,
    )
    return transformers.Lfm2ForCausalLM(config)


def lfm2_layer(layer):
    attention = {
        **projections(head=8),
        "attn_output.weight": ((HIDDEN, HEADS * 8), "self_attn.out_proj.weight"),
        **{f"attn_{letter}_norm.weight": ((8,), f"self_attn.{letter}_layernorm.weight") for letter in "qk"},
    }
    convolution = {
        "shortconv.conv.weight": ((HIDDEN, LFM2_KERNEL), "conv.conv.weight"),
        "shortconv.in_proj.weight": ((3 * HIDDEN, HIDDEN), "conv.in_proj.weight"),
        "shortconv.out_proj.weight": ((HIDDEN, HIDDEN), "conv.out_proj.weight"),
    }
    return {
        "attn_norm.weight": ((HIDDEN,), "operator_norm.weight"),
        "ffn_norm.weight": ((HIDDEN,), "ffn_norm.weight"),
        **(attention if LFM2_KV_HEADS[layer] else convolution),
        "ffn_gate.weight": ((FEED_FORWARD, HIDDEN), "feed_forward.w1.weight"),
        "ffn_up.weight": ((FEED_FORWARD, HIDDEN), "feed_forward.w3.weight"),
        "ffn_down.weight": ((HIDDEN, FEED_FORWARD), "feed_forward.w2.weight"),
    }


QWEN35_LAYERS = ["linear_attention", "linear_attention", "full_attention"] * 2 + ["linear_attention"]
QWEN35_KERNEL = 4


def qwen35_family(key_heads, value_heads, size, variant="", has_experts=False):
    """Gated DeltaNet with heads of one size."""
    key_width, width = key_heads * size, value_heads * size
    channels = 2 * key_width + width

    def model():
        moe = {
            "num_experts": EXPERTS,
            "num_experts_per_tok": EXPERTS_USED,
            "moe_intermediate_size": EXPERT_FEED_FORWARD,
            "shared_expert_intermediate_size": SHARED_FEED_FORWARD,
        }
        config_class = transformers.Qwen3_5MoeTextConfig if has_experts else transformers.Qwen3_5TextConfig
        config = config_class(
            **common(
                layers=len(QWEN35_LAYERS),
                tied=False,
                rope_parameters=rope(1e7, partial_rotary_factor=0.25, mrope_section=[1, 1, 0]),
            ),
            **(moe if has_experts else {}),
            linear_conv_kernel_dim=QWEN35_KERNEL,
            linear_key_head_dim=size,
            linear_value_head_dim=size,
            linear_num_key_heads=key_heads,
            linear_num_value_heads=value_heads,
            layer_types=QWEN35_LAYERS,
        )
        return (transformers.Qwen3_5MoeForCausalLM if has_experts else transformers.Qwen3_5ForCausalLM)(config)

    def layer_parts(layer):
        attention = {
            **projections(),
            **head_norms(),
            "attn_q.weight": ((2 * HEADS * HEAD, HIDDEN), "self_attn.q_proj.weight"),
        }
        delta = {
            "attn_qkv.weight": ((channels, HIDDEN), "linear_attn.in_proj_qkv.weight"),
            "attn_gate.weight": ((width, HIDDEN), "linear_attn.in_proj_z.weight"),
            "ssm_beta.weight": ((value_heads, HIDDEN), "linear_attn.in_proj_b.weight"),
            "ssm_alpha.weight": ((value_heads, HIDDEN), "linear_attn.in_proj_a.weight"),
            "ssm_conv1d.weight": ((channels, QWEN35_KERNEL), "linear_attn.conv1d.weight"),
            "ssm_a": ((value_heads,), "linear_attn.A_log"),
            "ssm_dt.bias": ((value_heads,), "linear_attn.dt_bias"),
            "ssm_norm.weight": ((size,), "linear_attn.norm.weight"),
            "ssm_out.weight": ((HIDDEN, width), "linear_attn.out_proj.weight"),
        }
        return {
            "attn_norm.weight": ((HIDDEN,), "input_layernorm.weight"),
            "post_attention_norm.weight": ((HIDDEN,), "post_attention_layernorm.weight"),
            **(delta if QWEN35_LAYERS[layer] == "linear_attention" else attention),
            **({**experts(EXPERT_FEED_FORWARD), **QWEN2MOE_SHARED} if has_experts else GATED),
        }

    def grouped(rows):
        """Value heads that go with a key head become neighbours, as in transformers; in a file, key heads take turns."""
        heads = rows.reshape(value_heads // key_heads, key_heads, -1, *rows.shape[1:])
        return heads.transpose(0, 1).reshape(rows.shape)

    def convert(name, tensor):
        part = name.split(".", 2)[-1]
        if part in ("attn_gate.weight", "ssm_beta.weight", "ssm_alpha.weight", "ssm_dt.bias"):
            return grouped(tensor)
        if part == "ssm_a":
            return grouped(torch.log(-tensor))
        if part == "ssm_out.weight":
            return grouped(tensor.T).T
        if part == "ffn_gate_inp_shexp.weight":
            return tensor[None]
        if part in ("attn_qkv.weight", "ssm_conv1d.weight"):
            tensor = torch.cat([tensor[: 2 * key_width], grouped(tensor[2 * key_width :])])
            return tensor[:, None] if "conv1d" in part else tensor
        return tensor if part == "ssm_norm.weight" else without_one(name, tensor)

    expert_keys = {
        "expert_feed_forward_length": EXPERT_FEED_FORWARD,
        "expert_shared_feed_forward_length": SHARED_FEED_FORWARD,
        "feed_forward_length": None,
        **EXPERT_KEYS,
    }
    return Family(
        "qwen35moe" if has_experts else "qwen35",
        {
            "rope.freq_base": 10_000_000,
            "rope.dimension_count": HEAD // 4,
            "rope.dimension_sections": [1, 1, 0, 0],
            "ssm.conv_kernel": QWEN35_KERNEL,
            "ssm.inner_size": width,
            "ssm.state_size": size,
            "ssm.time_step_rank": value_heads,
            "ssm.group_count": key_heads,
            "full_attention_interval": 3,
            **(expert_keys if has_experts else {}),
        },
        model,
        layer_parts,
        variant=variant,
        layers=len(QWEN35_LAYERS),
        is_tied=False,
        convert=convert,
        scales={"ssm_a": (0.9, -1.0), "ssm_conv1d.weight": 1.0},
        joined=joined_experts if has_experts else lambda tensors, layer: {},
    )


GEMMA4_HEADS = {"sliding_attention": 16, "full_attention": 32}
GEMMA4_LAYER_EMBEDDING = 16


def gemma4(pattern, full_kv_heads=KV_HEADS, **rest):
    """Layers slide (`s`) or not (`f`), with heads of other sizes."""
    ropes = {
        "full_attention": rope(1e6, rope_type="proportional", partial_rotary_factor=0.25),
        "sliding_attention": rope(10_000.0),
    }
    config = transformers.Gemma4TextConfig(
        **common(head=GEMMA4_HEADS["sliding_attention"], layers=len(pattern), rope_parameters=ropes),
        global_head_dim=GEMMA4_HEADS["full_attention"],
        num_global_key_value_heads=full_kv_heads,
        layer_types=[KINDS[letter] for letter in pattern],
        sliding_window=5,
        final_logit_softcapping=3.0,
        vocab_size_per_layer_input=VOCABULARY,
        **{"hidden_size_per_layer_input": 0, "attention_k_eq_v": False, **rest},
    )
    return transformers.Gemma4ForCausalLM(config)


KINDS = {"s": "sliding_attention", "f": "full_attention"}


def gemma4_layers(pattern, shared=0, full_kv_heads=KV_HEADS, has_embedding=False, has_experts=False):
    embedding = {
        "inp_gate.weight": ((GEMMA4_LAYER_EMBEDDING, HIDDEN), "per_layer_input_gate.weight"),
        "proj.weight": ((HIDDEN, GEMMA4_LAYER_EMBEDDING), "per_layer_projection.weight"),
        "post_norm.weight": ((HIDDEN,), "post_per_layer_input_norm.weight"),
    }

    def layer(index):
        is_full = pattern[index] == "f"
        head, kv_heads = GEMMA4_HEADS[KINDS[pattern[index]]], full_kv_heads if is_full else KV_HEADS
        has_value = not (is_full and full_kv_heads != KV_HEADS)
        width = FEED_FORWARD * (2 if index >= len(pattern) - shared else 1)
        return {
            **GEMMA2_NORMS,
            "attn_q.weight": ((HEADS * head, HIDDEN), "self_attn.q_proj.weight"),
            "attn_k.weight": ((kv_heads * head, HIDDEN), "self_attn.k_proj.weight"),
            **({"attn_v.weight": ((kv_heads * head, HIDDEN), "self_attn.v_proj.weight")} if has_value else {}),
            "attn_output.weight": ((HIDDEN, HEADS * head), "self_attn.o_proj.weight"),
            **head_norms(head),
            "ffn_gate.weight": ((width, HIDDEN), "mlp.gate_proj.weight"),
            "ffn_up.weight": ((width, HIDDEN), "mlp.up_proj.weight"),
            "ffn_down.weight": ((HIDDEN, width), "mlp.down_proj.weight"),
            "layer_output_scale.weight": ((1,), "layer_scalar"),
            **(embedding if has_embedding else {}),
            **(GEMMA4_EXPERTS if has_experts else {}),
        }

    return layer


GEMMA4_EXPERTS = {
    "ffn_gate_inp.weight": ((EXPERTS, HIDDEN), "router.proj.weight"),
    "ffn_gate_inp.scale": ((HIDDEN,), "router.scale"),
    "ffn_gate_up_exps.weight": ((EXPERTS, 2 * EXPERT_FEED_FORWARD, HIDDEN), "experts.gate_up_proj"),
    "ffn_down_exps.weight": ((EXPERTS, HIDDEN, EXPERT_FEED_FORWARD), "experts.down_proj"),
    "ffn_down_exps.scale": ((EXPERTS,), "router.per_expert_scale"),
    "pre_ffw_norm_2.weight": ((HIDDEN,), "pre_feedforward_layernorm_2.weight"),
    "post_ffw_norm_1.weight": ((HIDDEN,), "post_feedforward_layernorm_1.weight"),
    "post_ffw_norm_2.weight": ((HIDDEN,), "post_feedforward_layernorm_2.weight"),
}


def gemma4_keys(pattern, **rest):
    head, full = GEMMA4_HEADS.values()
    return {
        "attention.key_length": full,
        "attention.value_length": full,
        "attention.key_length_swa": head,
        "attention.value_length_swa": head,
        "attention.sliding_window": 5,
        "attention.sliding_window_pattern": [int(letter == "s") for letter in pattern],
        "rope.freq_base": 1_000_000,
        "rope.freq_base_swa": 10_000,
        "rope.dimension_count": full,
        "rope.dimension_count_swa": head,
        "final_logit_softcapping": 3.0,
        **rest,
    }


# Divisors of frequencies: the pairs of channels after the first quarter are not rotated.
GEMMA4_FACTORS = {"rope_freqs.weight": [1.0] * 4 + [1e30] * 12}
GEMMA4_E2B = "ssfsfsfsf"
GEMMA4_31B = "ssfsf"

EXPERT_KEYS = {"expert_count": EXPERTS, "expert_used_count": EXPERTS_USED}

GPT_OSS_KEYS = {
    "rope.freq_base": 150_000,
    "rope.scaling.type": "yarn",
    "rope.scaling.factor": 4,
    "rope.scaling.original_context_length": 64,
    "attention.sliding_window": 5,
    "expert_feed_forward_length": EXPERT_FEED_FORWARD,
    **EXPERT_KEYS,
}


def without_one(name, tensor):
    """Undoes what the converter adds to the weights of norms."""
    return tensor - 1 if name.endswith("norm.weight") else tensor


GEMMA2_NORMS = {
    "attn_norm.weight": ((HIDDEN,), "input_layernorm.weight"),
    "post_attention_norm.weight": ((HIDDEN,), "post_attention_layernorm.weight"),
    "ffn_norm.weight": ((HIDDEN,), "pre_feedforward_layernorm.weight"),
    "post_ffw_norm.weight": ((HIDDEN,), "post_feedforward_layernorm.weight"),
}

GEMMA3_LAYER = {
    **GEMMA2_NORMS,
    **projections(),
    **head_norms(),
    **GATED,
}

GRANITE_KEYS = {
    "rope.freq_base": 10_000,
    "embedding_scale": 3.0,
    "residual_scale": 0.7,
    "logit_scale": 2.5,
    "attention.scale": 0.2,
}
GRANITE_LAYER = {**NORMS_BEFORE, **projections(head=8), **GATED}

OLMO2_LAYER = {
    "post_attention_norm.weight": ((HIDDEN,), "post_attention_layernorm.weight"),
    "post_ffw_norm.weight": ((HIDDEN,), "post_feedforward_layernorm.weight"),
    "attn_q_norm.weight": ((HEADS * 8,), "self_attn.q_norm.weight"),
    "attn_k_norm.weight": ((KV_HEADS * 8,), "self_attn.k_norm.weight"),
    **projections(head=8),
    **GATED,
}

FAMILIES = {
    family.name: family
    for family in [
        Family("llama", {"rope.freq_base": 10_000}, llama, {**NORMS_BEFORE, **projections(), **GATED}, convert=unpermuted()),
        Family(
            "llama",
            {
                "rope.scaling.type": "yarn",
                "rope.scaling.factor": 4,
                "rope.scaling.original_context_length": 64,
            },
            llama_yarn,
            {**NORMS_BEFORE, **projections(), **GATED},
            variant="yarn",
            convert=unpermuted(),
        ),
        Family(
            "llama",
            # As old files have them: no size of heads, no base.
            {"attention.key_length": None, "rope.dimension_count": 8, "attention.sliding_window": 5},
            llama_mistral,
            {**NORMS_BEFORE, **projections(head=8), **GATED},
            variant="mistral",
            head=8,
            convert=unpermuted(head=8),
        ),
        Family(
            "mistral3",
            {
                "rope.freq_base": 100,
                "rope.scaling.type": "yarn",
                "rope.scaling.factor": 4,
                "rope.scaling.original_context_length": 8,
                "rope.scaling.yarn_beta_fast": 4,
                "rope.scaling.yarn_beta_slow": 0.5,
                "rope.scaling.yarn_log_multiplier": 0.5,
                "attention.temperature_scale": 0.1,
            },
            mistral3,
            {**NORMS_BEFORE, **projections(), **GATED},
            convert=unpermuted(),
        ),
        Family(
            "phi3",
            {"attention.key_length": None, "rope.dimension_count": 8, "attention.sliding_window": 5},
            lambda: phi3(sliding_window=5),
            PHI3_LAYER,
            head=8,
            is_tied=False,
        ),
        phi3_long(64, "short"),
        phi3_long(16, "long"),
        Family(
            "smollm3",
            {"rope.freq_base": 5_000_000},
            smollm3,
            {**NORMS_BEFORE, **projections(), **GATED},
            layers=5,
            convert=unpermuted(),
        ),
        Family(
            "qwen2",
            {"rope.freq_base": 1_000_000},
            qwen2,
            {**NORMS_BEFORE, **projections(head=8, bias=True), **GATED},
            head=8,
        ),
        Family(
            "qwen3",
            {"rope.freq_base": 1_000_000},
            qwen3,
            {**NORMS_BEFORE, **projections(head=24), **head_norms(head=24), **GATED},
            head=24,
            is_tied=False,
        ),
        Family(
            "gemma3",
            {
                "rope.freq_base": 1_000_000,
                "rope.scaling.type": "linear",
                "rope.scaling.factor": 8,
                "attention.sliding_window": 5,
            },
            gemma3,
            GEMMA3_LAYER,
            layers=7,
            convert=without_one,
        ),
        Family("granite", GRANITE_KEYS, granite, GRANITE_LAYER, head=8, convert=unpermuted(head=8)),
        Family(
            "granite",
            {**GRANITE_KEYS, "rope.scaling.finetuned": False},
            granite_without_rope,
            GRANITE_LAYER,
            variant="without-rope",
            head=8,
        ),
        Family("olmo2", {"rope.freq_base": 500_000}, olmo2, OLMO2_LAYER, head=8, is_tied=False),
        Family(
            "olmo2",
            {
                "rope.freq_base": 500_000,
                "rope.scaling.type": "linear",
                "rope.scaling.factor": 8,
                "attention.sliding_window": 5,
            },
            olmo3,
            OLMO2_LAYER,
            variant="olmo3",
            layers=5,
            head=8,
            is_tied=False,
        ),
        Family(
            "llama",
            {"rope.freq_base": 1_000_000, **EXPERT_KEYS},
            mixtral,
            {**NORMS_BEFORE, **projections(head=8), **experts(FEED_FORWARD)},
            variant="mixtral",
            head=8,
            convert=unpermuted(head=8),
            joined=joined_experts,
        ),
        Family(
            "qwen3moe",
            {"rope.freq_base": 1_000_000, "expert_feed_forward_length": EXPERT_FEED_FORWARD, **EXPERT_KEYS},
            qwen3moe,
            {**NORMS_BEFORE, **projections(head=24), **head_norms(head=24), **experts(EXPERT_FEED_FORWARD)},
            head=24,
            is_tied=False,
            joined=joined_experts,
        ),
        Family(
            "gpt-oss",
            GPT_OSS_KEYS,
            gpt_oss,
            gpt_oss_layer(),
            layers=4,
            is_tied=False,
            # Some gates and ups exceed the limit of 7.
            scales={"ffn_gate_exps.weight": 2.5, "ffn_up_exps.weight": 2.5},
            joined=interleaved_experts,
        ),
        Family(
            "gpt-oss",
            GPT_OSS_KEYS,
            lambda: sharing(transformers.models.gpt_oss.modeling_gpt_oss, gpt_oss(), owners=2),
            gpt_oss_layer(),
            variant="shared-caches",
            layers=4,
            shared=2,
            is_tied=False,
            joined=interleaved_experts,
        ),
        Family(
            "gemma4",
            gemma4_keys(
                GEMMA4_E2B,
                feed_forward_length=[FEED_FORWARD] * 5 + [2 * FEED_FORWARD] * 4,
                embedding_length_per_layer_input=GEMMA4_LAYER_EMBEDDING,
            ),
            lambda: gemma4(
                GEMMA4_E2B,
                hidden_size_per_layer_input=GEMMA4_LAYER_EMBEDDING,
                num_kv_shared_layers=4,
                use_double_wide_mlp=True,
            ),
            gemma4_layers(GEMMA4_E2B, shared=4, has_embedding=True),
            layers=len(GEMMA4_E2B),
            shared=4,
            values=GEMMA4_FACTORS,
            extra={
                "per_layer_token_embd.weight": (VOCABULARY, len(GEMMA4_E2B) * GEMMA4_LAYER_EMBEDDING),
                "per_layer_model_proj.weight": (len(GEMMA4_E2B) * GEMMA4_LAYER_EMBEDDING, HIDDEN),
                "per_layer_proj_norm.weight": (GEMMA4_LAYER_EMBEDDING,),
            },
            extra_names={
                "per_layer_token_embd.weight": "model.embed_tokens_per_layer.weight",
                "per_layer_model_proj.weight": "model.per_layer_model_projection.weight",
                "per_layer_proj_norm.weight": "model.per_layer_projection_norm.weight",
            },
        ),
        Family(
            "gemma4",
            gemma4_keys(
                GEMMA4_31B,
                **{
                    "attention.head_count_kv": [KV_HEADS, KV_HEADS, 1, KV_HEADS, 1],
                    "attention.shared_kv_layers": 0,
                    "embedding_length_per_layer_input": 0,
                },
            ),
            lambda: gemma4(GEMMA4_31B, full_kv_heads=1, attention_k_eq_v=True),
            gemma4_layers(GEMMA4_31B, full_kv_heads=1),
            variant="key-as-value",
            layers=len(GEMMA4_31B),
            values=GEMMA4_FACTORS,
        ),
        Family(
            "gemma4",
            gemma4_keys(
                GEMMA4_31B,
                expert_feed_forward_length=EXPERT_FEED_FORWARD,
                embedding_length_per_layer_input=0,
                **{"attention.head_count_kv": [KV_HEADS, KV_HEADS, 1, KV_HEADS, 1], **EXPERT_KEYS},
            ),
            lambda: gemma4(
                GEMMA4_31B,
                full_kv_heads=1,
                attention_k_eq_v=True,
                enable_moe_block=True,
                num_experts=EXPERTS,
                top_k_experts=EXPERTS_USED,
                moe_intermediate_size=EXPERT_FEED_FORWARD,
            ),
            gemma4_layers(GEMMA4_31B, full_kv_heads=1, has_experts=True),
            variant="experts",
            layers=len(GEMMA4_31B),
            values=GEMMA4_FACTORS,
            scales={"ffn_gate_inp.scale": (2.0, 3.0), "ffn_down_exps.scale": (0.5, 1.0)},
        ),
        Family("gemma", {"rope.freq_base": 10_000}, gemma, {**NORMS_BEFORE, **projections(), **GATED}, convert=without_one),
        Family(
            "gemma2",
            {
                "rope.freq_base": 10_000,
                "attention.sliding_window": 5,
                "attn_logit_softcapping": 2.0,
                "final_logit_softcapping": 3.0,
            },
            gemma2,
            {**GEMMA2_NORMS, **projections(), **GATED},
            layers=4,
            convert=without_one,
        ),
        Family(
            "qwen2moe",
            {
                "rope.freq_base": 1_000_000,
                "expert_feed_forward_length": EXPERT_FEED_FORWARD,
                "expert_shared_feed_forward_length": SHARED_FEED_FORWARD,
                **EXPERT_KEYS,
            },
            qwen2moe,
            {
                **NORMS_BEFORE,
                **projections(head=8, bias=True),
                **experts(EXPERT_FEED_FORWARD),
                **QWEN2MOE_SHARED,
            },
            head=8,
            is_tied=False,
            convert=lambda name, tensor: tensor[None] if "gate_inp_shexp" in name else tensor,
            joined=joined_experts,
        ),
        Family(
            "granitemoe",
            {**GRANITE_KEYS, "expert_shared_feed_forward_length": SHARED_FEED_FORWARD, **EXPERT_KEYS},
            granitemoe,
            granitemoe_layer(),
            head=8,
            convert=unpermuted(head=8),
            joined=joined_granite_experts,
        ),
        Family(
            "olmoe",
            {"rope.freq_base": 10_000, "attention.head_count_kv": HEADS, **EXPERT_KEYS},
            olmoe,
            olmoe_layer(),
            head=8,
            is_tied=False,
            joined=joined_experts,
        ),
        Family(
            "lfm2",
            {
                "rope.freq_base": 1_000_000,
                "attention.head_count_kv": LFM2_KV_HEADS,
                "attention.key_length": None,
                "shortconv.l_cache": LFM2_KERNEL,
            },
            lfm2,
            lfm2_layer,
            layers=6,
            head=8,
            head_norm=("token_embd_norm.weight", "model.embedding_norm.weight"),
            convert=lambda name, tensor: tensor[:, None] if "shortconv.conv" in name else tensor,
        ),
        qwen35_family(key_heads=2, value_heads=4, size=8),
        # Heads of a size from which ONNX Runtime multiplies in another way.
        qwen35_family(key_heads=2, value_heads=2, size=64, variant="wide"),
        qwen35_family(key_heads=2, value_heads=4, size=8, has_experts=True),
    ]
}
