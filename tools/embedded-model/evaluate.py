"""Exact match of a checkpoint on the test prompts, with the cache in float and quantized, and the KL of each layer alone.

Greedy decoding gives an answer exactly when each of its tokens is the likeliest after the right ones before it, so one
pass over prompt and answer is enough.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from export import gguf, load
from model import CacheChange, Decoder
from prompts import SHIPPED, TASKS, VALIDATION, Prompt, prompts
from vocabulary import EOS, encode


def per_token(numbers: Tensor, bits: int) -> Tensor:
    """Encoded and decoded with one scale and offset for each token and head, round to nearest."""
    low, high = numbers.amin(-1, keepdim=True), numbers.amax(-1, keepdim=True)
    scale = ((high - low) / (2**bits - 1)).clamp_min(1e-12)
    return ((numbers - low) / scale).round() * scale + low


def quantized(key_bits: int, value_bits: int, only: int | None = None) -> CacheChange:
    def change(layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        if only is not None and layer != only:
            return key, value
        return per_token(key, key_bits), per_token(value, value_bits)

    return change


@torch.no_grad()
def answer_logits(model: Decoder, prompt: str, answer: str, change: CacheChange | None) -> tuple[Tensor, Tensor]:
    """Log probabilities in front of each answer token, its end included, and those tokens."""
    before, after = encode(prompt), [*encode(answer), EOS]
    tokens = torch.tensor([before + after])
    return model(tokens[:, :-1], change)[0, len(before) - 1 :].log_softmax(-1), tokens[0, len(before) :]


Tasks = dict[str, list[Prompt]]


def accuracy(model: Decoder, task: list[Prompt], change: CacheChange | None = None) -> float:
    right = 0
    for prompt, answer in task:
        logits, wanted = answer_logits(model, prompt, answer, change)
        right += int((logits.argmax(-1) == wanted).all())
    return right / len(task)


def divergence(model: Decoder, task: list[Prompt], change: CacheChange) -> float:
    """Mean KL on the tokens of a task's answers."""
    each = []
    for prompt, answer in task:
        exact, _ = answer_logits(model, prompt, answer, None)
        coarse, _ = answer_logits(model, prompt, answer, change)
        each.append((exact.exp() * (exact - coarse)).sum(-1))
    return torch.cat(each).mean().item()


def percent(share: float, count: int) -> str:
    """A share and its standard error."""
    return f"{100 * share:.1f} ± {100 * (share * (1 - share) / count) ** 0.5:.1f}"


def report_accuracies(model: Decoder, tasks: Tasks, plans: list[str]) -> None:
    print("| plan |", " | ".join(tasks), "| mean |")
    for plan in ["float", *plans]:
        change = None if plan == "float" else quantized(int(plan[1]), int(plan[3]))
        shares = [accuracy(model, task, change) for task in tasks.values()]
        cells = [percent(share, len(task)) for share, task in zip(shares, tasks.values())]
        print(f"| {plan} |", " | ".join(cells), f"| {100 * sum(shares) / len(shares):.1f} |", flush=True)


def report_layers(model: Decoder, tasks: Tasks) -> None:
    """KL of each layer alone at 2-bit keys and 4-bit values, the mean of the tasks' means."""
    some = [task[:15] for task in tasks.values()]
    alone = []
    for layer in range(model.shape.layers - model.shape.shared_layers):
        each = [divergence(model, task, quantized(2, 4, layer)) for task in some]
        alone.append(sum(each) / len(each))
    print("KL of each layer alone at K2V4", " ".join(f"{kl:.5f}" for kl in alone))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--shipped", action="store_true", help="ask the package's prompts, not those for validation")
    parser.add_argument("--type", default="q8_0")
    parser.add_argument("--plans", nargs="*", default=["K8V4", "K4V4", "K4V2", "K3V3", "K2V4", "K2V2"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = load(options.checkpoint)
    gguf(model, options.type)
    seed = SHIPPED if options.shipped else VALIDATION
    tasks = {name: prompts(name, options.count, seed) for name in TASKS}
    report_accuracies(model, tasks, options.plans)
    report_layers(model, tasks)


if __name__ == "__main__":
    main()
