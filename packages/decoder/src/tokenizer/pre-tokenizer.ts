/** A pre-tokenizer in the format of tokenizer.json. */
export type PreTokenizerJson = Readonly<Record<string, unknown>>;

const CONTRACTIONS = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";

/**
 * Splits a text at every match and keeps the matches. In these patterns `\s` is Unicode's white space, not JavaScript's.
 */
const split = (pattern: string): PreTokenizerJson => ({
  type: "Split",
  pattern: { Regex: pattern },
  behavior: "Isolated",
  invert: false,
});

/** Maps the bytes of each piece to characters; the last step of every pre-tokenizer. */
const BYTES: PreTokenizerJson = { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false };

const inOrder = (...pretokenizers: readonly PreTokenizerJson[]): PreTokenizerJson => ({
  type: "Sequence",
  pretokenizers: [...pretokenizers, BYTES],
});

/** The split of the GPT-4 family, with at most `digits` digits in a piece. */
const gpt4Split = (digits: string): PreTokenizerJson =>
  split(
    `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
  );

/** The library's own split treats U+FEFF as white space but not U+0085, unlike other tokenizers. */
const GPT2_SPLIT = split("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+");

/** Every number character alone, including fractions and superscripts; the library's own `Digits` knows ASCII only. */
const SINGLE_NUMBERS = split("\\p{N}");

/** Pre-tokenizers by their name in `tokenizer.ggml.pre`. */
export const PRE_TOKENIZERS: Readonly<Record<string, PreTokenizerJson>> = {
  default: inOrder(GPT2_SPLIT),
  "gpt-2": inOrder(GPT2_SPLIT),
  smollm: inOrder(SINGLE_NUMBERS, GPT2_SPLIT),
  "llama-bpe": inOrder(gpt4Split("\\p{N}{1,3}")),
  llama3: inOrder(gpt4Split("\\p{N}{1,3}")),
  qwen2: inOrder(gpt4Split("\\p{N}")),
};

/** Pre-tokenizers that first convert text to Unicode form NFC. */
export const NFC_PRE_TOKENIZERS: readonly string[] = ["qwen2"];
