"""Makes src/fixtures/tokenizers.json: a small SentencePiece and a small byte-level vocabulary, trained here, and hashes of
the ids that Hugging Face's `tokenizers` gives the lines of tokenizer_lines.py. Merges of pieces are those that
`transformers` derives from a SentencePiece model.

Run: pip install tokenizers==0.23.3 transformers==5.24.0 sentencepiece==0.2.3 protobuf && python3 make-tokenizer-vectors.py > ../src/fixtures/tokenizers.json
"""

import io
import json
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
