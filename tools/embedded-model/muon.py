"""Muon: momentum whose matrices are made nearly orthogonal before the step (Jordan et al., 2024)."""

from collections import defaultdict

import torch
from torch import Tensor

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""The quintic of Jordan et al. that takes singular values close to 1 in five steps."""


def orthogonalize(matrices: Tensor, steps: int = 5) -> Tensor:
    """Nearly orthogonal matrices with the singular vectors of the given ones, [count, rows, columns]."""
    a, b, c = NEWTON_SCHULZ
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + torch.baddbmm(b * gram, gram, gram, alpha=c) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Matrices [..., rows, columns] of one shape are stepped together; weight decay is decoupled."""

    def __init__(self, matrices: list[Tensor], lr: float, momentum: float = 0.95, weight_decay: float = 0.5) -> None:
        by_shape: dict[torch.Size, list[Tensor]] = defaultdict(list)
        for matrix in matrices:
            by_shape[matrix.shape].append(matrix)
        super().__init__([{"params": group} for group in by_shape.values()], {"lr": lr})
        self.momentum, self.weight_decay = momentum, weight_decay

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            stacked = torch.stack([self.nesterov(matrix) for matrix in group["params"]])
            update = orthogonalize(stacked.flatten(0, -3)).view_as(stacked)
            rows, columns = update.shape[-2:]
            rate = group["lr"] * max(1.0, rows / columns) ** 0.5
            for matrix, direction in zip(group["params"], update):
                matrix.mul_(1 - group["lr"] * self.weight_decay).add_(direction, alpha=-rate)

    def nesterov(self, matrix: Tensor) -> Tensor:
        state = self.state[matrix]
        if "velocity" not in state:
            state["velocity"] = torch.zeros_like(matrix)
        state["velocity"].lerp_(matrix.grad, 1 - self.momentum)
        return matrix.grad.lerp(state["velocity"], self.momentum)
