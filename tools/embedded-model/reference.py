"""Logits of the exported weights on one prompt, for the decoder's test to be held against."""

import argparse
import json
from pathlib import Path

import torch

from export import gguf, load
from prompts import SHIPPED, prompts
from vocabulary import EOS, encode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--type", default="q8_0")
    options = parser.parse_args()
    model = load(options.checkpoint)
    gguf(model, options.type)
    (prompt, answer), *_ = prompts("chain-10", 1, SHIPPED)
    ids = [*encode(prompt + answer), EOS]
    with torch.no_grad():
        logits = model.double()(torch.tensor([ids]))[0, :: len(ids) // 4]
    positions = list(range(0, len(ids), len(ids) // 4))
    rounded = [[round(number, 5) for number in row] for row in logits.tolist()]
    options.file.write_text(json.dumps({"ids": ids, "positions": positions, "logits": rounded}) + "\n")


if __name__ == "__main__":
    main()
