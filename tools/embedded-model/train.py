"""Trains the decoder. Run it again with the same arguments and it goes on from its last checkpoint."""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy
import torch
from torch import Tensor
from torch.nn import functional

from batches import FIRST_MIX, FOURTH_MIX, LAST_MIX, LONG_ROW, SECOND_MIX, THIRD_MIX, Batch, make_batch
from documents import ANSWER_WEIGHT
from model import SHAPES, Decoder
from muon import Muon

TOKENS_A_STEP = 2048
SCHEDULE_STEPS = 5200
"""Steps that the points of mixes and rates are given in; a run of more or fewer steps moves them in proportion."""
MIXES = [(0, FIRST_MIX), (792, SECOND_MIX), (1750, THIRD_MIX), (3250, FOURTH_MIX), (4000, LAST_MIX)]
"""Each from a step on."""
RATES = [(0, 0.01), (99, 1.0), (2530, 1.0), (3250, 0.652), (4000, 0.356), (5200, 0.0)]
LONG_ROW_SHARE = 0.22
"""Share of the steps with rows of 512, once prompts are half as hard as they get."""
START_DIFFICULTY = 0.19
DIFFICULTY_STEP = 0.002
EASY_LOSS = 0.5
MATRIX_RATE = 0.01
OTHER_RATE = 2e-3


@dataclass
class Progress:
    step: int = 0
    difficulty: float = START_DIFFICULTY
    answer_loss: float = 5.0
    """Running mean of the loss on answers."""
    seconds: float = 0.0


def batch_of(seed: int, progress: Progress, steps: int) -> Batch:
    """The batch of a step; it depends on the seed, the step and the difficulty alone."""
    random = Random(f"{seed}/{progress.step}")
    length = 128 if progress.difficulty < 0.2 else 256
    if progress.difficulty >= 0.5 and random.random() < LONG_ROW_SHARE:
        length = LONG_ROW
    scheduled = progress.step * SCHEDULE_STEPS / steps
    mix = [mix for start, mix in MIXES if scheduled >= start][-1]
    return make_batch(random, mix, progress.difficulty, rows=TOKENS_A_STEP // length, length=length)


def rate_at(step: int, steps: int) -> float:
    """The factor of the learning rates, on lines between the points of `RATES`."""
    return float(numpy.interp(step * SCHEDULE_STEPS / steps, *zip(*RATES)))


def losses(model: Decoder, batch: Batch, bfloat16: bool) -> tuple[Tensor, Tensor]:
    """The weighted loss of a batch and the mean loss on its answers."""
    device = model.embedding.weight.device
    tokens = torch.tensor(batch.tokens, device=device)
    weights = torch.tensor(batch.weights, device=device)[:, 1:].reshape(-1)
    with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
        logits = model(tokens[:, :-1])
    each = functional.cross_entropy(logits.float().flatten(0, 1), tokens[:, 1:].reshape(-1), reduction="none")
    answers = weights == ANSWER_WEIGHT
    return (each * weights).sum() / weights.sum(), each.detach()[answers].mean()


def optimizers_of(model: Decoder) -> list[torch.optim.Optimizer]:
    is_matrix = lambda name, weight: weight.ndim > 1 and not name.endswith("bias")
    matrices = [weight for name, weight in model.layers.named_parameters() if is_matrix(name, weight)]
    others = [weight for weight in model.parameters() if not any(weight is matrix for matrix in matrices)]
    return [
        Muon(matrices, MATRIX_RATE),
        torch.optim.AdamW(others, OTHER_RATE, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def train_step(model: Decoder, optimizers: list[torch.optim.Optimizer], progress: Progress, options) -> None:
    factor = rate_at(progress.step, options.steps)
    for optimizer, rate in zip(optimizers, (MATRIX_RATE, OTHER_RATE)):
        optimizer.zero_grad(set_to_none=True)
        for group in optimizer.param_groups:
            group["lr"] = rate * factor
    loss, answer_loss = losses(model, batch_of(options.seed, progress, options.steps), options.bfloat16)
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
    progress.step += 1
    if not answer_loss.isnan():
        progress.answer_loss += 0.05 * (answer_loss.item() - progress.answer_loss)
    if progress.answer_loss < EASY_LOSS:
        progress.difficulty = min(1.0, progress.difficulty + DIFFICULTY_STEP)


def save(path: Path, model: Decoder, optimizers: list[torch.optim.Optimizer], progress: Progress) -> None:
    state = {
        "model": model.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "progress": progress.__dict__,
        "shape": model.shape.as_dict(),
    }
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def restore(path: Path, model: Decoder, optimizers: list[torch.optim.Optimizer]) -> Progress:
    state = torch.load(path, map_location=model.embedding.weight.device)
    model.load_state_dict(state["model"])
    for optimizer, saved in zip(optimizers, state["optimizers"]):
        optimizer.load_state_dict(saved)
    return Progress(**state["progress"])


def report(progress: Progress, since: float) -> None:
    speed = {"step": progress.step, "seconds": round(progress.seconds), "ms_a_step": round(since * 1000)}
    print(json.dumps({**speed, "answer_loss": round(progress.answer_loss, 4), "difficulty": round(progress.difficulty, 3)}), flush=True)


def train(options) -> None:
    torch.manual_seed(options.seed)
    model = Decoder(SHAPES[options.architecture]).to(options.device)
    optimizers = optimizers_of(model)
    progress = restore(options.checkpoint, model, optimizers) if options.checkpoint.exists() else Progress()
    print(f"{sum(weight.numel() for weight in model.parameters())} parameters, from step {progress.step}", flush=True)
    while progress.step < options.steps:
        started = time.monotonic()
        for _ in range(50):
            train_step(model, optimizers, progress, options)
        elapsed = time.monotonic() - started
        progress.seconds += elapsed
        report(progress, elapsed / 50)
        if progress.step % 250 == 0 or progress.step >= options.steps:
            save(options.checkpoint, model, optimizers, progress)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoint.pt"))
    parser.add_argument("--architecture", choices=SHAPES, default="llama")
    parser.add_argument("--steps", type=int, default=SCHEDULE_STEPS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bfloat16", action="store_true", help="compute in bfloat16, for processors that have it")
    options = parser.parse_args()
    torch.set_num_threads(1)
    train(options)


if __name__ == "__main__":
    main()
