"""A decoder of the Llama architecture in a hundred lines."""

from dataclasses import asdict, dataclass
from typing import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from vocabulary import VOCABULARY_SIZE


@dataclass(frozen=True)
class Shape:
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

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


CacheChange = Callable[[int, Tensor, Tensor], tuple[Tensor, Tensor]]
"""What a layer's cache makes of keys and values, each [batch, KV heads, tokens, head], keys after RoPE."""


def rope_table(shape: Shape) -> Tensor:
    """Unit complex numbers [context, head / 2]: the turn of each pair of channels at each position."""
    frequencies = shape.rope_base ** (-torch.arange(0, shape.head, 2, dtype=torch.float64) / shape.head)
    angles = torch.arange(shape.context, dtype=torch.float64)[:, None] * frequencies
    return torch.polar(torch.ones_like(angles), angles).to(torch.complex64)


def rotate(heads: Tensor, turns: Tensor) -> Tensor:
    """RoPE in the interleaved order of `llama` files: channels 2i and 2i + 1 turn together."""
    pairs = torch.view_as_complex(heads.unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turns).flatten(-2)


class Layer(nn.Module):
    def __init__(self, shape: Shape, index: int) -> None:
        super().__init__()
        self.shape, self.index = shape, index
        wide, narrow = shape.query_heads * shape.head, shape.kv_heads * shape.head
        self.attention_norm = nn.RMSNorm(shape.hidden, shape.norm_epsilon)
        self.query = nn.Linear(shape.hidden, wide, bias=False)
        self.key = nn.Linear(shape.hidden, narrow, bias=False)
        self.value = nn.Linear(shape.hidden, narrow, bias=False)
        self.output = nn.Linear(wide, shape.hidden, bias=False)
        self.feed_forward_norm = nn.RMSNorm(shape.hidden, shape.norm_epsilon)
        self.gate = nn.Linear(shape.hidden, shape.feed_forward, bias=False)
        self.up = nn.Linear(shape.hidden, shape.feed_forward, bias=False)
        self.down = nn.Linear(shape.feed_forward, shape.hidden, bias=False)

    def forward(self, hidden: Tensor, turns: Tensor, change: CacheChange | None) -> Tensor:
        hidden = hidden + self.output(self.attend(self.attention_norm(hidden), turns, change))
        normed = self.feed_forward_norm(hidden)
        return hidden + self.down(functional.silu(self.gate(normed)) * self.up(normed))

    def attend(self, normed: Tensor, turns: Tensor, change: CacheChange | None) -> Tensor:
        batch, tokens, _ = normed.shape
        split = lambda flat, heads: flat.view(batch, tokens, heads, self.shape.head).transpose(1, 2)
        query = rotate(split(self.query(normed), self.shape.query_heads), turns)
        key = rotate(split(self.key(normed), self.shape.kv_heads), turns)
        value = split(self.value(normed), self.shape.kv_heads)
        if change is not None:
            key, value = change(self.index, key, value)
        group = self.shape.query_heads // self.shape.kv_heads
        key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return mixed.transpose(1, 2).reshape(batch, tokens, -1)


class Decoder(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape, index) for index in range(shape.layers))
        self.norm = nn.RMSNorm(shape.hidden, shape.norm_epsilon)
        self.register_buffer("turns", rope_table(shape), persistent=False)
        self.initialize()

    def initialize(self) -> None:
        """A wide embedding and matrices of unit gain, those that write to the residual stream smaller."""
        nn.init.normal_(self.embedding.weight, std=0.5)
        for layer in self.layers:
            for matrix in (layer.query, layer.key, layer.value, layer.gate, layer.up, layer.output, layer.down):
                nn.init.normal_(matrix.weight, std=matrix.in_features**-0.5)
            for matrix in (layer.output, layer.down):
                with torch.no_grad():
                    matrix.weight.mul_((2 * self.shape.layers) ** -0.5)

    def forward(self, tokens: Tensor, change: CacheChange | None = None) -> Tensor:
        """Logits [batch, tokens, vocabulary] of token ids [batch, tokens]."""
        hidden = self.embedding(tokens)
        turns = self.turns[: tokens.shape[1]]
        for layer in self.layers:
            hidden = layer(hidden, turns, change)
        return functional.linear(self.norm(hidden), self.embedding.weight)
