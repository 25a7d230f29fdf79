/** A pre-tokenizer as tokenizer.json writes it. */
export type PreTokenizerJson = Readonly<Record<string, unknown>>;

const CONTRACTIONS = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";

/** The split of the GPT-4 family, with runs of at most `digits` digits. */
const gpt4Split = (digits: string): PreTokenizerJson => ({
  type: "Sequence",
  pretokenizers: [
    {
      type: "Split",
      pattern: {
        Regex: `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`,
      },
      behavior: "Isolated",
      invert: false,
    },
    { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
  ],
});

const GPT2_SPLIT: PreTokenizerJson = {
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: true,
};

const SINGLE_DIGITS_THEN_GPT2: PreTokenizerJson = {
  type: "Sequence",
  pretokenizers: [{ type: "Digits", individual_digits: true }, GPT2_SPLIT],
};

/** Pre-tokenizers by their name in `tokenizer.ggml.pre`. */
export const PRE_TOKENIZERS: Readonly<Record<string, PreTokenizerJson>> = {
  default: GPT2_SPLIT,
  "gpt-2": GPT2_SPLIT,
  smollm: SINGLE_DIGITS_THEN_GPT2,
  "llama-bpe": gpt4Split("\\p{N}{1,3}"),
  llama3: gpt4Split("\\p{N}{1,3}"),
  qwen2: gpt4Split("\\p{N}"),
};

/** Pre-tokenizers in front of which text is brought to Unicode form NFC. */
export const NFC_PRE_TOKENIZERS: readonly string[] = ["qwen2"];
