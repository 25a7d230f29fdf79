"""A small decoder in the architectures that the models are trained in: llama, qwen3, and gpt-oss with shared caches."""

from dataclasses import asdict, dataclass
from typing import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from experts import ExpertNetwork
from vocabulary import VOCABULARY_SIZE


@dataclass(frozen=True)
class Shape:
    architecture: str = "llama"
    layers: int = 6
    hidden: int = 128
    query_heads: int = 4
    kv_heads: int = 2
    head: int = 32
    feed_forward: int = 256
    context: int = 512
    rope_base: float = 10_000.0
    norm_epsilon: float = 1e-5
    vocabulary: int = VOCABULARY_SIZE
    has_head_norms: bool = False
    """Norms of each head of query and key, before RoPE."""
    has_biases: bool = False
    """Biases of all matrices of a layer."""
    has_sinks: bool = False
    """A logit for each query head that takes part in the softmax and adds no value."""
    span: int | None = None
    """Newest tokens that each even layer reads; the others read all."""
    shared_layers: int = 0
    """Last layers without keys and values: each reads the cache of the last layer before them that has the same span."""
    experts: int = 0
    """Networks of a layer, `feed_forward` wide each; 0 for a single network without a router."""
    used_experts: int = 0
    is_tied: bool = True
    """Whether the output matrix is the embedding."""

    def as_dict(self) -> dict[str, float]:
        return asdict(self)

    def slides(self, layer: int) -> bool:
        return self.span is not None and layer % 2 == 0

    def cache_of(self, layer: int) -> int:
        """The layer whose cache a layer reads."""
        own = self.layers - self.shared_layers
        return layer if layer < own else max(before for before in range(own) if self.slides(before) == self.slides(layer))


SHAPES = {
    "llama": Shape(),
    "qwen3": Shape(architecture="qwen3", head=64, has_head_norms=True),
    "gpt-oss": Shape(
        architecture="gpt-oss",
        layers=8,
        feed_forward=64,
        has_biases=True,
        has_sinks=True,
        span=32,
        shared_layers=2,
        experts=4,
        used_experts=2,
        is_tied=False,
    ),
}

CacheChange = Callable[[int, Tensor, Tensor], tuple[Tensor, Tensor]]
"""What a layer's cache makes of keys and values, each [batch, KV heads, tokens, head], keys after RoPE."""
Caches = dict[int, tuple[Tensor, Tensor]]
"""Keys and values of the layers so far."""


def rope_table(shape: Shape) -> Tensor:
    """Unit complex numbers [context, head / 2]: the turn of each pair of channels at each position."""
    frequencies = shape.rope_base ** (-torch.arange(0, shape.head, 2, dtype=torch.float64) / shape.head)
    angles = torch.arange(shape.context, dtype=torch.float64)[:, None] * frequencies
    return torch.polar(torch.ones_like(angles), angles).to(torch.complex64)


def rotate_neighbours(heads: Tensor, turns: Tensor) -> Tensor:
    """RoPE in the order of `llama` files: channels 2i and 2i + 1 turn together."""
    pairs = torch.view_as_complex(heads.unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turns).flatten(-2)


def rotate_halves(heads: Tensor, turns: Tensor) -> Tensor:
    """RoPE in the order of the other files: channels i and i + head / 2 turn together."""
    turned = torch.complex(*heads.chunk(2, -1)) * turns
    return torch.cat([turned.real, turned.imag], -1)


def full_precision(heads: Tensor) -> Tensor:
    return heads if heads.dtype == torch.float64 else heads.float()


class Layer(nn.Module):
    def __init__(self, shape: Shape, index: int) -> None:
        super().__init__()
        self.shape, self.index = shape, index
        wide, narrow = shape.query_heads * shape.head, shape.kv_heads * shape.head
        linear = lambda columns, rows: nn.Linear(columns, rows, bias=shape.has_biases)
        self.rotate = rotate_neighbours if shape.architecture == "llama" else rotate_halves
        self.attention_norm = nn.RMSNorm(shape.hidden, shape.norm_epsilon)
        self.query = linear(shape.hidden, wide)
        if shape.cache_of(index) == index:
            self.key = linear(shape.hidden, narrow)
            self.value = linear(shape.hidden, narrow)
        self.output = linear(wide, shape.hidden)
        self.query_norm = nn.RMSNorm(shape.head, shape.norm_epsilon) if shape.has_head_norms else nn.Identity()
        self.key_norm = nn.RMSNorm(shape.head, shape.norm_epsilon) if shape.has_head_norms else nn.Identity()
        self.sinks = nn.Parameter(torch.zeros(shape.query_heads)) if shape.has_sinks else None
        self.feed_forward_norm = nn.RMSNorm(shape.hidden, shape.norm_epsilon)
        if shape.experts:
            self.experts = ExpertNetwork(shape.experts, shape.used_experts, shape.hidden, shape.feed_forward)
        else:
            self.gate = nn.Linear(shape.hidden, shape.feed_forward, bias=False)
            self.up = nn.Linear(shape.hidden, shape.feed_forward, bias=False)
            self.down = nn.Linear(shape.feed_forward, shape.hidden, bias=False)

    def forward(self, hidden: Tensor, turns: Tensor, caches: Caches, change: CacheChange | None) -> Tensor:
        hidden = hidden + self.output(self.attend(self.attention_norm(hidden), turns, caches, change))
        return hidden + self.network(self.feed_forward_norm(hidden))

    def network(self, normed: Tensor) -> Tensor:
        if self.shape.experts:
            return self.experts(normed)
        return self.down(functional.silu(self.gate(normed)) * self.up(normed))

    def attend(self, normed: Tensor, turns: Tensor, caches: Caches, change: CacheChange | None) -> Tensor:
        query = self.rotate(full_precision(self.query_norm(self.split(self.query(normed)))), turns)
        if self.shape.cache_of(self.index) == self.index:
            key = self.rotate(full_precision(self.key_norm(self.split(self.key(normed)))), turns)
            value = self.split(self.value(normed))
            caches[self.index] = (key, value) if change is None else change(self.index, key, value)
        key, value = caches[self.shape.cache_of(self.index)]
        group = self.shape.query_heads // self.shape.kv_heads
        mixed = self.mix(query, key.repeat_interleave(group, 1), value.repeat_interleave(group, 1))
        return mixed.transpose(1, 2).flatten(2)

    def split(self, flat: Tensor) -> Tensor:
        return flat.unflatten(-1, (-1, self.shape.head)).transpose(1, 2)

    def mix(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attention [batch, heads, tokens, head]."""
        if self.sinks is None:
            return functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        scores = query @ key.mT * self.shape.head**-0.5
        scores = scores.masked_fill(self.hidden_tokens(query.shape[2], query.device), -torch.inf)
        sinks = self.sinks[:, None, None].expand(*scores.shape[:-1], 1)
        shares = torch.cat([scores, sinks], -1).softmax(-1)[..., :-1]
        return shares.to(value.dtype) @ value

    def hidden_tokens(self, tokens: int, device: torch.device) -> Tensor:
        """Whether each query [tokens, 1] does not read each key [1, tokens]."""
        distance = torch.arange(tokens, device=device)[:, None] - torch.arange(tokens, device=device)
        is_hidden = distance < 0
        return is_hidden | (distance >= self.shape.span) if self.shape.slides(self.index) else is_hidden


class Decoder(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape, index) for index in range(shape.layers))
        self.norm = nn.RMSNorm(shape.hidden, shape.norm_epsilon)
        self.output = None if shape.is_tied else nn.Linear(shape.hidden, shape.vocabulary, bias=False)
        self.register_buffer("turns", rope_table(shape), persistent=False)
        self.initialize()

    def initialize(self) -> None:
        """A wide embedding and matrices of unit gain, those that write to the residual stream smaller; biases of 0."""
        nn.init.normal_(self.embedding.weight, std=0.5)
        for layer in self.layers:
            for name in ("query", "key", "value", "gate", "up", "output", "down"):
                if (matrix := getattr(layer, name, None)) is not None:
                    nn.init.normal_(matrix.weight, std=matrix.in_features**-0.5)
                    if matrix.bias is not None:
                        nn.init.zeros_(matrix.bias)
            written = (layer.output, layer.experts.down if self.shape.experts else layer.down)
            for matrix in written:
                with torch.no_grad():
                    matrix.weight.mul_((2 * self.shape.layers) ** -0.5)

    def forward(self, tokens: Tensor, change: CacheChange | None = None) -> Tensor:
        """Logits [batch, tokens, vocabulary] of token ids [batch, tokens]."""
        hidden = self.embedding(tokens)
        turns = self.turns[: tokens.shape[1]]
        caches: Caches = {}
        for layer in self.layers:
            hidden = layer(hidden, turns, caches, change)
        output = self.embedding if self.output is None else self.output
        return functional.linear(self.norm(hidden), output.weight)
