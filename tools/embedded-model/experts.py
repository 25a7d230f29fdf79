"""The mixture of experts of gpt-oss."""

import torch
from torch import Tensor, nn
from torch.nn import functional

LIMIT = 7.0
STEEPNESS = 1.702


class Matrices(nn.Module):
    """A matrix for each expert, [experts, rows, columns], with a bias each."""

    def __init__(self, experts: int, rows: int, columns: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(experts, rows, columns) * columns**-0.5)
        self.bias = nn.Parameter(torch.zeros(experts, rows))


class ExpertNetwork(nn.Module):
    """Computes all experts and weighs those that are not used with 0: at this size that is faster than to pick them."""

    def __init__(self, experts: int, used: int, hidden: int, feed_forward: int) -> None:
        super().__init__()
        self.used = used
        self.router = nn.Linear(hidden, experts)
        self.gate = Matrices(experts, feed_forward, hidden)
        self.up = Matrices(experts, feed_forward, hidden)
        self.down = Matrices(experts, hidden, feed_forward)
        nn.init.zeros_(self.router.bias)

    def forward(self, normed: Tensor) -> Tensor:
        gate = self.every(self.gate, normed).clamp(max=LIMIT)
        up = self.every(self.up, normed).clamp(-LIMIT, LIMIT)
        shares = self.shares(normed)
        inner = gate * torch.sigmoid(STEEPNESS * gate) * (up + 1) * shares[..., None]
        return functional.linear(inner.flatten(-2), self.down.weight.transpose(0, 1).flatten(1)) + shares @ self.down.bias

    def shares(self, normed: Tensor) -> Tensor:
        """Softmax of the largest router logits, [batch, tokens, experts], 0 for the other experts."""
        logits = self.router(normed)
        least = logits.topk(self.used, -1).values[..., -1:]
        return logits.masked_fill(logits < least, -torch.inf).softmax(-1)

    def every(self, matrices: Matrices, normed: Tensor) -> Tensor:
        """[batch, tokens, experts, rows]"""
        flat = functional.linear(normed, matrices.weight.flatten(0, 1), matrices.bias.flatten())
        return flat.unflatten(-1, matrices.bias.shape)
