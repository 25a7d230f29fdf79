"""Makes src/fixtures/tokenizers.json: a small SentencePiece and a small byte-level vocabulary, trained here, and hashes of
the ids that Hugging Face's `tokenizers` gives the lines of tokenizer_lines.py. Merges of pieces are those that
`transformers` derives from a SentencePiece model.

Run: pip install tokenizers==0.23.3 transformers==5.24.0 sentencepiece==0.2.3 protobuf && python3 make-tokenizer-vectors.py > ../src/fixtures/tokenizers.json
"""

import io
import json
import re
import sys

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, trainers
from tokenizers import pre_tokenizers as pre
from tokenizers.models import BPE
from tokenizer_lines import hashes, sample_lines
from transformers.tokenization_utils_base import generate_merges

TRAINING_SEED, TEST_SEED = 1, 16
SPECIAL = ["<|im_start|>", "<|im_end|>"]
UNKNOWN, CONTROL, USER_DEFINED, BYTE = 2, 3, 4, 6
CONTROL_PIECES = ["<start_of_turn>", "<end_of_turn>"]
USER_DEFINED_PIECES = ["<h1>", "\t", "\n", "\n\n", "▁▁", "▁▁▁", "▁▁▁▁"]

# How tokenizer.json of a family splits text, by the name that GGUF gives it.
GPT4 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN35 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
GPT4O = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+%(end)s"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*%(end)s"
    r"|%(digits)s| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DEEPSEEK_V3 = (
    r"\p{N}{1,3}",
    "[一-龥぀-ゟ゠-ヿ]+",
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
)
DEEPSEEK_LETTERS = (
    "41-5A 61-7A B5 C0-D6 D8-F6 F8-1BA 1BC-1BF 1C4-293 295-2AF 370-373 376 377 37B-37D 37F 386 388-38A 38C 38E-3A1 "
    "3A3-3F5 3F7-481 48A-52F 531-556 10A0-10C5 13A0-13F5 13F8-13FD 1C90-1CBA 1CBD-1CBF 1D00-1D2B 1D6B-1D77 "
    "1D79-1D9A 1E00-1F15 1F18-1F1D 1F20-1F45 1F48-1F4D 1F50-1F57 1F59 1F5B 1F5D 1F5F-1F7D 1F80-1FB4 1FB6-1FBC 1FBE "
    "1FC2-1FC4 1FC6-1FCC 1FD0-1FD3 1FD6-1FDB 1FE0-1FEC 1FF2-1FF4 1FF6-1FFC 2102 2107 210A-2113 2115 2119-211D 2124 "
    "2126 2128 212A-212D 212F-2134 2139 213C-213F 2145-2149 214E 2183 2184 2C00-2C7B 2C7E-2CE4 2CEB-2CEE 2CF2 2CF3 "
    "A640-A66D A680-A69B A722-A76F A771-A787 A78B-A78E AB70-ABBF FB00-FB06 FB13-FB17 FF21-FF3A FF41-FF5A "
    "10400-1044F 104B0-104D3 104D8-104FB 10C80-10CB2 10CC0-10CF2 118A0-118DF 1E900-1E943"
)
DEEPSEEK_LLM = (
    r"[\r\n]",
    r"\s?[%s]+" % "".join(re.sub("[0-9A-F]+", r"\\x{\g<0>}", letters) for letters in DEEPSEEK_LETTERS.split()),
    r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
    r"\s+$",
    "[一-龥ࠀ-一가-퟿]+",
)
DEEPSEEK_CODER = (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+")


def splits(*patterns):
    return [pre.Split(Regex(pattern), "isolated") for pattern in patterns]


def words(*steps):
    return pre.Sequence([*steps, pre.ByteLevel(add_prefix_space=False, use_regex=False)])


GPT2 = pre.ByteLevel(add_prefix_space=False)
PRE_TOKENIZERS = {
    "gpt-2": {"pre_tokenizer": GPT2},
    "refact": {"pre_tokenizer": pre.Sequence([pre.Digits(individual_digits=True), GPT2])},
    "command-r": {"pre_tokenizer": pre.Sequence([pre.Digits(individual_digits=True), GPT2]), "nfc": True},
    "dbrx": {"pre_tokenizer": words(*splits(GPT4 % r"\p{N}{1,3}"))},
    "llama-bpe": {"pre_tokenizer": words(*splits(GPT4 % r"\p{N}{1,3}")), "ignore_merges": True},
    "qwen2": {"pre_tokenizer": words(*splits(GPT4 % r"\p{N}")), "nfc": True},
    "qwen35": {"pre_tokenizer": words(*splits(QWEN35)), "nfc": True},
    "gpt-4o": {
        "pre_tokenizer": words(*splits(GPT4O % {"end": "(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "digits": r"\p{N}{1,3}"})),
        "ignore_merges": True,
    },
    "tekken": {"pre_tokenizer": words(*splits(GPT4O % {"end": "", "digits": r"\p{N}"})), "ignore_merges": True},
    "deepseek-llm": {"pre_tokenizer": words(*splits(*DEEPSEEK_LLM), pre.Digits(individual_digits=True))},
    "deepseek-coder": {"pre_tokenizer": words(*splits(*DEEPSEEK_CODER), pre.Digits(individual_digits=True))},
    "deepseek-v3": {"pre_tokenizer": words(*splits(*DEEPSEEK_V3))},
}


def encoded(tokenizer, lines):
    return [encoding.ids for encoding in tokenizer.encode_batch(lines, add_special_tokens=False)]


def train_pieces(lines):
    """Characters of other scripts stay out of the vocabulary, so that the lines need bytes too."""
    model = io.BytesIO()
    texts = ["".join(character for character in line if ord(character) < 0x600) for line in lines]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=model,
        model_type="bpe",
        vocab_size=1400,
        byte_fallback=True,
        character_coverage=0.98,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        split_digits=True,
        allow_whitespace_only_pieces=True,
        control_symbols=CONTROL_PIECES,
        user_defined_symbols=USER_DEFINED_PIECES,
        num_threads=1,
        minloglevel=2,
    )
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def piece_type(model, piece):
    """The type that GGUF gives the piece."""
    if model.is_unknown(piece):
        return UNKNOWN
    if model.is_control(piece):
        return CONTROL
    if model.is_byte(piece):
        return BYTE
    return USER_DEFINED if model.id_to_piece(piece) in USER_DEFINED_PIECES else 1


def pieces_tokenizer(model, types, has_prefix):
    """As tokenizer.json of Llama 2, or without a prefix as that of Gemma."""
    scores = {model.id_to_piece(piece): model.get_score(piece) for piece in range(len(types))}
    vocabulary = {text: piece for piece, text in enumerate(scores)}
    merges = generate_merges(vocabulary, scores)
    tokenizer = Tokenizer(BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    replace = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), replace]) if has_prefix else replace
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if has_prefix else steps)
    for piece, kind in enumerate(types):
        if kind in (UNKNOWN, CONTROL, USER_DEFINED):
            token = AddedToken(model.id_to_piece(piece), normalized=False, special=kind != USER_DEFINED)
            (tokenizer.add_tokens if kind == USER_DEFINED else tokenizer.add_special_tokens)([token])
    return tokenizer


def train_bytes(lines):
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = pre.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = sorted(pre.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=1200, initial_alphabet=alphabet, max_token_length=10, show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return sorted(model["vocab"], key=model["vocab"].get), [tuple(merge) for merge in model["merges"]]


def bytes_tokenizer(tokens, merges, pre_tokenizer, nfc=False, ignore_merges=False):
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(BPE(vocabulary, merges, ignore_merges=ignore_merges))
    tokenizer.normalizer = normalizers.NFC() if nfc else None
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in SPECIAL])
    return tokenizer


def without_prefix(model):
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model.serialized_model_proto())
    proto.normalizer_spec.add_dummy_prefix = False
    return sentencepiece.SentencePieceProcessor(model_proto=proto.SerializeToString())


def check_against_sentencepiece(model, tokenizer, lines, has_prefix):
    """Both agree on lines that spell no control token. Only `tokenizers` puts a space behind special tokens too."""
    special = ["<s>", "</s>", "<unk>", *CONTROL_PIECES, "▁", *(["<h1>", "\t", "\n"] if has_prefix else [])]
    plain = [line for line in lines if not any(token in line for token in special)]
    ids = encoded(tokenizer, plain)
    same = sum(model.encode(line) == row for line, row in zip(plain, ids, strict=True))
    print(f"SentencePiece agrees on {same} of {len(plain)} lines", file=sys.stderr)


def main():
    training, lines = sample_lines(TRAINING_SEED, 4000), sample_lines(TEST_SEED, 2000)
    model = train_pieces(training)
    types = [piece_type(model, piece) for piece in range(model.get_piece_size())]
    vectors = {}
    for name, has_prefix in (("llama", True), ("gemma", False)):
        tokenizer = pieces_tokenizer(model, types, has_prefix)
        ids = encoded(tokenizer, lines)
        texts = [tokenizer.decode(row, skip_special_tokens=False) for row in ids]
        vectors[name] = {"ids": hashes(ids), "texts": hashes([[ord(character) for character in text] for text in texts])}
        check_against_sentencepiece(model if has_prefix else without_prefix(model), tokenizer, lines, has_prefix)
    tokens, merges = train_bytes(training)
    for name, steps in PRE_TOKENIZERS.items():
        vectors[name] = {"ids": hashes(encoded(bytes_tokenizer(tokens, merges, **steps), lines[:500]))}
    pieces = [model.id_to_piece(piece) for piece in range(len(types))]
    # llama.cpp's converter writes spaces in tokens that are found in a text as it is, and gives them no score.
    written = [text.replace("▁", " ") if kind == USER_DEFINED else text for text, kind in zip(pieces, types, strict=True)]
    scores = [
        -1000 if kind == USER_DEFINED else round(model.get_score(piece), 6) + 0.0 for piece, kind in enumerate(types)
    ]
    fixture = {
        "pieces": {"tokens": written, "types": types, "scores": scores},
        "bytes": {"tokens": [*tokens, *SPECIAL], "merges": [" ".join(merge) for merge in merges]},
        "vectors": vectors,
    }
    print(json.dumps(fixture, ensure_ascii=False, separators=(",", ":")))


main()
