"""Writes what compare-tokenizer.mjs compares: the metadata that llama.cpp's converter would put into a GGUF file for a
tokenizer.json, and the ids and texts of Hugging Face's `tokenizers` for 2000 lines. Scores of pieces are the ranks of
their merges, negated; a tokenizer.json has no others.

Run: pip install tokenizers==0.23.3 && python3 tokenizer-json-to-gguf.py tokenizer.json MODEL PRE > comparison.json
with MODEL and PRE as in `tokenizer.ggml.model` and `tokenizer.ggml.pre`.
"""

import json
import re
import sys

from tokenizer_lines import sample_lines
from tokenizers import Tokenizer

NORMAL, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 3, 4, 5, 6


def is_control(token):
    """The converter's rule: some files do not mark all of these as special."""
    return token["special"] or re.fullmatch(r"<\|.*\|>|<unused\d+>", token["content"]) is not None


def metadata(tokenizer, model, pre):
    vocabulary, added = tokenizer["model"]["vocab"], tokenizer["added_tokens"]
    size = 1 + max([*vocabulary.values(), *(token["id"] for token in added)])
    tokens, types = [f"[PAD{number}]" for number in range(size)], [UNUSED] * size
    for text, number in vocabulary.items():
        is_byte = model != "gpt2" and re.fullmatch("<0x[0-9A-F]{2}>", text)
        tokens[number], types[number] = text, BYTE if is_byte else NORMAL
    for token in added:
        text, number = token["content"], token["id"]
        types[number] = CONTROL if is_control(token) else USER_DEFINED
        tokens[number] = text if is_control(token) else text.replace("▁", " ")
    merges = [merge if isinstance(merge, list) else merge.split(" ") for merge in tokenizer["model"]["merges"]]
    entries = {"model": model, "pre": pre, "tokens": tokens, "token_type": types}
    if model == "llama":
        scores = [-1000.0] * size
        for rank, (left, right) in reversed(list(enumerate(merges))):
            scores[vocabulary[left + right]] = -rank
        entries["scores"] = scores
        entries["unknown_token_id"] = vocabulary["<unk>"]
        entries["add_space_prefix"] = "Prepend" in json.dumps(tokenizer["normalizer"])
    else:
        entries["merges"] = [" ".join(merge) for merge in merges]
    return {f"tokenizer.ggml.{key}": value for key, value in entries.items()}


def main(path, model, pre):
    tokenizer = Tokenizer.from_file(path)
    lines = sample_lines(16, 2000)
    ids = [encoding.ids for encoding in tokenizer.encode_batch(lines, add_special_tokens=False)]
    texts = [tokenizer.decode(row, skip_special_tokens=False) for row in ids]
    with open(path, encoding="utf-8") as file:
        print(json.dumps({"metadata": metadata(json.load(file), model, pre), "ids": ids, "texts": texts}))


main(*sys.argv[1:])
