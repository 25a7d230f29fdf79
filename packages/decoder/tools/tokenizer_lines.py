"""The lines of src/tokenizer/test-support/sample-lines.ts, generated again, and hashes of what becomes of them."""

import json
from pathlib import Path

LINES_PER_HASH = 50
PARTS = Path(__file__).parent / "../src/tokenizer/test-support/line-parts.json"


def sample_lines(seed, lines):
    """Lines of sample-lines.ts."""
    parts = json.loads(PARTS.read_text("utf-8"))
    scripts = [
        [code for part in ranges for code in range(int(part.split("-")[0], 16), int(part.split("-")[1], 16) + 1)]
        for ranges in parts["scripts"].values()
    ]
    state = seed

    def below(limit):
        nonlocal state
        state = (state * 1_664_525 + 1_013_904_223) % 2**32
        return state * limit // 2**32

    def choose(entries):
        return entries[below(len(entries))]

    def word():
        script = choose(scripts)
        return "".join(chr(choose(script)) for _ in range(1 + below(8)))

    def part():
        return (word() if below(2) == 0 else choose(parts["snippets"])) + choose(parts["gaps"])

    return ["".join(part() for _ in range(1 + below(9))) for _ in range(lines)]


def hashes(rows):
    """FNV-1a of the numbers of every 50 rows."""
    result = []
    for start in range(0, len(rows), LINES_PER_HASH):
        value = 0x811C9DC5
        for row in rows[start : start + LINES_PER_HASH]:
            for number in [*row, 0xFFFFFFFF]:
                value = ((value ^ number) * 0x01000193) % 2**32
        result.append(value)
    return result
