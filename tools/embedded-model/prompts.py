"""Test prompts with answers, from seeds that training never uses, as JSON Lines; and text to calibrate on."""

import argparse
import json
from pathlib import Path
from random import Random
from string import ascii_lowercase
from typing import Callable

from batches import LAST_MIX
from documents import KEYS, MAX_STRING, Row, chain_text, letters, recall_pairs

Prompt = tuple[str, str]
END = "<|end|>"
"""How the tokenizer writes EOS."""
SHIPPED = "shipped"
"""Seed of the prompts in the package."""
VALIDATION = "test"
"""Seed of prompts to look at while the model is trained."""


def recall(random: Random, pairs: int) -> Prompt:
    context, values = recall_pairs(random, random.sample(KEYS, pairs))
    key = random.choice(list(values))
    return f"{context}?{key}=", values[key]


def chain(random: Random, steps: int) -> Prompt:
    return chain_text(random, random.sample(ascii_lowercase, steps + 1))


def copy(random: Random) -> Prompt:
    text = letters(random, random.randint(4, MAX_STRING))
    return f"cpy {text}:", text


def reverse(random: Random) -> Prompt:
    text = letters(random, random.randint(4, MAX_STRING))
    return f"rev {text}:", text[::-1]


TASKS: dict[str, Callable[[Random], Prompt]] = {
    "recall-6": lambda random: recall(random, 6),
    "recall-24": lambda random: recall(random, 24),
    "recall-48": lambda random: recall(random, 48),
    "chain-4": lambda random: chain(random, 4),
    "chain-10": lambda random: chain(random, 10),
    "copy": copy,
    "reverse": reverse,
}


def prompts(name: str, count: int, seed: str) -> list[Prompt]:
    random = Random(f"{seed}/{name}")
    return [TASKS[name](random) for _ in range(count)]


def text_of(seed: str, characters: int) -> str:
    """Documents of the last mix at full difficulty, each ended as the tokenizer writes it."""
    random, parts = Random(f"text/{seed}"), [""]
    makers, shares = zip(*LAST_MIX)
    while sum(map(len, parts)) < characters:
        document = random.choices(makers, shares)[0](Row(random, 1.0))
        parts.append("".join(text for text, _ in document) + END)
    return "".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=300)
    folder, count = (options := parser.parse_args()).folder, options.count
    (folder / "tasks").mkdir(parents=True, exist_ok=True)
    for name in TASKS:
        lines = [{"prompt": prompt, "answer": answer, "compare": "exact"} for prompt, answer in prompts(name, count, SHIPPED)]
        (folder / "tasks" / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "text").mkdir(exist_ok=True)
    for name in ("calibration", "evaluation"):
        (folder / "text" / f"{name}.txt").write_text(text_of(name, 32_768))


if __name__ == "__main__":
    main()
