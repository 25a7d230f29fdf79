"""Generators of training documents. A document is a list of (text, weight of the loss on it); it ends with EOS."""

from random import Random
from string import ascii_lowercase, ascii_uppercase, digits

from sentences import sentence

Document = list[tuple[str, float]]

CONTEXT_WEIGHT = 0.05
SENTENCE_WEIGHT = 0.4
ANSWER_WEIGHT = 1.0

MAX_PAIRS = 24
MAX_CHAIN_STEPS = 10
MAX_STRING = 16
MAX_REPEATED = 36

KEYS = [letter + digit for letter in ascii_lowercase for digit in digits]


def scaled(random: Random, low: int, high: int, difficulty: float) -> int:
    """A whole number from `low` up to the part of the way to `high` that the difficulty (0 to 1) allows."""
    return random.randint(low, max(low, round(low + (high - low) * min(1.0, difficulty))))


class Row:
    """What the documents of one row share: names are not used twice in a row where that can be helped."""

    def __init__(self, random: Random, difficulty: float, max_pairs: int = MAX_PAIRS) -> None:
        self.random = random
        self.difficulty = difficulty
        self.max_pairs = max_pairs
        self.keys = random.sample(KEYS, len(KEYS))
        self.letters: list[str] = []

    def take_keys(self, count: int) -> list[str]:
        if len(self.keys) < count:
            self.keys = self.random.sample(KEYS, len(KEYS))
        return [self.keys.pop() for _ in range(count)]

    def take_letters(self, count: int) -> list[str]:
        if len(self.letters) < count:
            self.letters = self.random.sample(ascii_lowercase, 26)
        return [self.letters.pop() for _ in range(count)]


def recall_pairs(random: Random, keys: list[str]) -> tuple[str, dict[str, str]]:
    values = {key: f"{random.randrange(10_000):04d}" for key in keys}
    return "".join(f"{key}={value};" for key, value in values.items()) + "\n", values


def recall(row: Row) -> Document:
    """`a3=4192;k7=0231;\\n?k7=0231` asks for one pair; after `??` several follow, each in the form of a pair."""
    count = scaled(row.random, 2, row.max_pairs, row.difficulty)
    context, values = recall_pairs(row.random, row.take_keys(count))
    if row.random.random() < 0.25:
        key = row.random.choice(list(values))
        return [(f"{context}?{key}=", CONTEXT_WEIGHT), (values[key], ANSWER_WEIGHT)]
    asked = row.random.sample(list(values), row.random.randint(min(4, count), min(10, count)))
    document: Document = [(context + "??", CONTEXT_WEIGHT)]
    for key in asked:
        document += [(f"{key}=", CONTEXT_WEIGHT), (values[key], ANSWER_WEIGHT), (";", CONTEXT_WEIGHT)]
    return document[:-1]


def chain_text(random: Random, names: list[str]) -> tuple[str, str]:
    """A number, then a sum or difference modulo 10 for each further name: `a=3;c=a+4?c\\n`, `a=3,A3;c=a+4,3+4,C7`."""
    value = random.randrange(10)
    definitions, steps = [f"{names[0]}={value}"], [f"{names[0]}={value},{names[0].upper()}{value}"]
    for before, name in zip(names, names[1:]):
        sign, operand = random.choice("+-"), random.randrange(10)
        result = (value + operand if sign == "+" else value - operand) % 10
        definitions.append(f"{name}={before}{sign}{operand}")
        steps.append(f"{definitions[-1]},{value}{sign}{operand},{name.upper()}{result}")
        value = result
    return ";".join(definitions) + f"?{names[-1]}\n", ";".join(steps)


def chain(row: Row) -> Document:
    steps = scaled(row.random, 1, MAX_CHAIN_STEPS, row.difficulty)
    prompt, answer = chain_text(row.random, row.take_letters(steps + 1))
    return [(prompt, CONTEXT_WEIGHT), (answer, ANSWER_WEIGHT)]


def drill(row: Row) -> Document:
    """The sums of a chain alone: `3+4,C7;9-5,K4`."""
    document: Document = []
    for _ in range(row.random.randint(6, 18)):
        value, sign, operand = row.random.randrange(10), row.random.choice("+-"), row.random.randrange(10)
        result = value + operand if sign == "+" else value - operand
        document.append((f"{value}{sign}{operand},{row.random.choice(ascii_uppercase)}", CONTEXT_WEIGHT))
        document += [(str(result % 10), ANSWER_WEIGHT), (";", CONTEXT_WEIGHT)]
    return document[:-1]


def letters(random: Random, length: int) -> str:
    return "".join(random.choices(ascii_lowercase, k=length))


def copy(row: Row) -> Document:
    text = letters(row.random, scaled(row.random, 4, MAX_STRING, row.difficulty))
    return [(f"cpy {text}:", CONTEXT_WEIGHT), (text, ANSWER_WEIGHT)]


def reverse(row: Row) -> Document:
    text = letters(row.random, scaled(row.random, 4, MAX_STRING, row.difficulty))
    return [(f"rev {text}:", CONTEXT_WEIGHT), (text[::-1], ANSWER_WEIGHT)]


def repeat(row: Row) -> Document:
    length = row.random.randint(6, MAX_REPEATED)
    text = "".join(row.random.choices(ascii_lowercase + digits, k=length))
    return [(f"rep {text}|", CONTEXT_WEIGHT), (text, ANSWER_WEIGHT)]


def prose(row: Row) -> Document:
    text = " ".join(sentence(row.random) for _ in range(row.random.randint(1, 4)))
    return [(text, SENTENCE_WEIGHT)]
