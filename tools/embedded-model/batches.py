"""Packs documents into rows of tokens."""

from dataclasses import dataclass
from random import Random
from typing import Callable

from documents import Document, Row, chain, copy, drill, prose, recall, repeat, reverse
from vocabulary import BOS, EOS, encode

Mix = list[tuple[Callable[[Row], Document], float]]

FIRST_MIX: Mix = [(recall, 0.58), (repeat, 0.23), (copy, 0.06), (chain, 0.13)]
SECOND_MIX: Mix = [(recall, 0.36), (chain, 0.32), (copy, 0.07), (reverse, 0.07), (repeat, 0.12), (prose, 0.06)]
THIRD_MIX: Mix = [
    (recall, 0.15),
    (chain, 0.30),
    (drill, 0.12),
    (copy, 0.10),
    (reverse, 0.22),
    (repeat, 0.07),
    (prose, 0.04),
]
FOURTH_MIX: Mix = [
    (recall, 0.34),
    (chain, 0.26),
    (drill, 0.05),
    (copy, 0.08),
    (reverse, 0.18),
    (repeat, 0.05),
    (prose, 0.04),
]
LAST_MIX: Mix = [
    (recall, 0.22),
    (chain, 0.26),
    (drill, 0.06),
    (copy, 0.16),
    (reverse, 0.22),
    (repeat, 0.05),
    (prose, 0.03),
]
"""Shares are of documents: a recall is many times as long as a string to reverse."""

LONG_ROW = 512
LONG_ROW_PAIRS = 48
BOS_SHARE = 0.5
"""Rows that begin with BOS; a prompt may come with it or without."""


@dataclass(frozen=True)
class Batch:
    tokens: list[list[int]]
    """Rows of one more token than are predicted."""
    weights: list[list[float]]
    """Weight of the loss on each token of a row."""


def make_batch(random: Random, mix: Mix, difficulty: float, *, rows: int, length: int) -> Batch:
    made = [make_row(random, mix, difficulty, length + 1) for _ in range(rows)]
    return Batch([tokens for tokens, _ in made], [weights for _, weights in made])


def make_row(random: Random, mix: Mix, difficulty: float, length: int) -> tuple[list[int], list[float]]:
    """Documents until the row is full; the last is cut."""
    row = Row(random, difficulty, LONG_ROW_PAIRS) if length > LONG_ROW else Row(random, difficulty)
    tokens, weights = ([BOS], [0.0]) if random.random() < BOS_SHARE else ([], [])
    makers, shares = zip(*mix)
    while len(tokens) < length:
        append(tokens, weights, random.choices(makers, shares)[0](row))
    return tokens[:length], weights[:length]


def append(tokens: list[int], weights: list[float], document: Document) -> None:
    for text, weight in document:
        ids = encode(text)
        tokens += ids
        weights += [weight] * len(ids)
    tokens.append(EOS)
    weights.append(document[-1][1])
