"""Bytes as tokens: ids 0 to 255 are the bytes, two more begin and end a document."""

BOS = 256
EOS = 257
VOCABULARY_SIZE = 258


def encode(text: str) -> list[int]:
    return list(text.encode("utf-8"))


def byte_symbols() -> list[str]:
    """The printable stand-in of every byte that GPT-2 tokenizers use: printable Latin-1 as it is, the rest from U+0100."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    symbols = {byte: chr(byte) for byte in printable}
    symbols.update({byte: chr(256 + index) for index, byte in enumerate(others)})
    return [symbols[byte] for byte in range(256)]
