import { describeValue } from "../gguf/describe-value.ts";
import { nearestName } from "./nearest-name.ts";
import { TokenizerError } from "./tokenizer-error.ts";

/** A step of tokenizer.json. */
type Json = Readonly<Record<string, unknown>>;

/** How byte-level BPE treats a text before it merges bytes. */
export interface PreTokenizer {
  /** Splits a text into words and writes their bytes as characters, in the format of tokenizer.json. */
  readonly split: Json;
  /** Converts text to Unicode form NFC first. */
  readonly isNfc?: true;
  /** A word that is a token is not merged from its bytes. */
  readonly takesWholeWords?: true;
  /** Sequences begin with BOS, unless the file says otherwise. */
  readonly startsWithBos?: true;
}

/**
 * Splits a text at every match and keeps the matches. In these patterns `\s` is Unicode's white space, not JavaScript's.
 */
const split = (pattern: string): Json => ({
  type: "Split",
  pattern: { Regex: pattern },
  behavior: "Isolated",
  invert: false,
});

/** Maps the bytes of each piece to characters; the last step of every pre-tokenizer. */
const BYTES: Json = { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false };

const inOrder = (...pretokenizers: readonly Json[]): Json => ({
  type: "Sequence",
  pretokenizers: [...pretokenizers, BYTES],
});

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const WHITE_SPACE = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** The split of the GPT-4 family, with at most `digits` digits in a piece, and words of `letters`. */
const gpt4Split = (digits: string, letters = "\\p{L}"): Json =>
  split(
    `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?[${letters}]+|${digits}| ?[^\\s${letters}\\p{N}]+[\\r\\n]*|${WHITE_SPACE}`,
  );

/** The split of the GPT-4o family, which also ends a word before an upper-case letter. */
const gpt4oSplit = (digits: string, ending: string): Json => {
  const [upper, lower] = ["[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]", "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"];
  const before = "[^\\r\\n\\p{L}\\p{N}]?";
  return split(
    `${before}${upper}*${lower}+${ending}|${before}${upper}+${lower}*${ending}|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${WHITE_SPACE}`,
  );
};

/** The library's own split treats U+FEFF as white space but not U+0085, unlike other tokenizers. */
const GPT2_SPLIT = split("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+");

/** Every number character alone, including fractions and superscripts; the library's own `Digits` knows ASCII only. */
const SINGLE_NUMBERS = split("\\p{N}");

const ONE_DIGIT = "\\p{N}";
const THREE_DIGITS = "\\p{N}{1,3}";

/** DeepSeek's list of letters with case, as code points: `\p{L}` has more, and so has any other property. */
const DEEPSEEK_LETTERS = [
  "41-5A 61-7A B5 C0-D6 D8-F6 F8-1BA 1BC-1BF 1C4-293 295-2AF 370-373 376 377 37B-37D 37F 386 388-38A 38C 38E-3A1",
  "3A3-3F5 3F7-481 48A-52F 531-556 10A0-10C5 13A0-13F5 13F8-13FD 1C90-1CBA 1CBD-1CBF 1D00-1D2B 1D6B-1D77",
  "1D79-1D9A 1E00-1F15 1F18-1F1D 1F20-1F45 1F48-1F4D 1F50-1F57 1F59 1F5B 1F5D 1F5F-1F7D 1F80-1FB4 1FB6-1FBC 1FBE",
  "1FC2-1FC4 1FC6-1FCC 1FD0-1FD3 1FD6-1FDB 1FE0-1FEC 1FF2-1FF4 1FF6-1FFC 2102 2107 210A-2113 2115 2119-211D 2124",
  "2126 2128 212A-212D 212F-2134 2139 213C-213F 2145-2149 214E 2183 2184 2C00-2C7B 2C7E-2CE4 2CEB-2CEE 2CF2 2CF3",
  "A640-A66D A680-A69B A722-A76F A771-A787 A78B-A78E AB70-ABBF FB00-FB06 FB13-FB17 FF21-FF3A FF41-FF5A",
  "10400-1044F 104B0-104D3 104D8-104FB 10C80-10CB2 10CC0-10CF2 118A0-118DF 1E900-1E943",
]
  .flatMap((line) => line.split(" "))
  .map((range) => range.replaceAll(/[\dA-F]+/g, (code) => `\\u{${code}}`))
  .join("");

const GPT2: PreTokenizer = { split: inOrder(GPT2_SPLIT) };
const STARCODER: PreTokenizer = { split: inOrder(SINGLE_NUMBERS, GPT2_SPLIT) };
const GPT4: PreTokenizer = { split: inOrder(gpt4Split(THREE_DIGITS)) };
const LLAMA3: PreTokenizer = { ...GPT4, takesWholeWords: true, startsWithBos: true };
const QWEN2: PreTokenizer = { split: inOrder(gpt4Split(ONE_DIGIT)), isNfc: true };
const GPT4O: PreTokenizer = { split: inOrder(gpt4oSplit(THREE_DIGITS, `${CONTRACTIONS}?`)), takesWholeWords: true };

/** By name in `tokenizer.ggml.pre`. Families that split alike share an entry, as in llama.cpp's `llama-vocab.cpp`. */
const PRE_TOKENIZERS: Readonly<Record<string, PreTokenizer>> = {
  default: GPT2,
  "gpt-2": GPT2,
  "phi-2": GPT2,
  "granite-docling": GPT2,
  olmo: { ...GPT2, isNfc: true },
  smollm: STARCODER,
  starcoder: STARCODER,
  refact: STARCODER,
  "command-r": { ...STARCODER, isNfc: true },
  dbrx: GPT4,
  "smaug-bpe": { ...GPT4, takesWholeWords: true },
  glm4: GPT4,
  "chatglm-bpe": GPT4,
  "llama-bpe": LLAMA3,
  "llama-v3": LLAMA3,
  llama3: LLAMA3,
  lfm2: LLAMA3,
  falcon3: LLAMA3,
  pixtral: LLAMA3,
  qwen2: QWEN2,
  "deepseek-r1-qwen": QWEN2,
  qwen35: { split: inOrder(gpt4Split(ONE_DIGIT, "\\p{L}\\p{M}")), isNfc: true },
  "gpt-4o": GPT4O,
  llama4: GPT4O,
  tekken: { split: inOrder(gpt4oSplit(ONE_DIGIT, "")), takesWholeWords: true, startsWithBos: true },
  "deepseek-llm": {
    split: inOrder(
      split("[\\r\\n]"),
      split(`\\s?[${DEEPSEEK_LETTERS}]+`),
      split("\\s?[!-/:-~！-／：-～‘-‟　-。]+"),
      split("\\s+$"),
      split("[一-龥ࠀ-一가-퟿]+"),
      SINGLE_NUMBERS,
    ),
  },
  "deepseek-coder": {
    split: inOrder(
      split("[\\r\\n]"),
      split("\\s?\\p{L}+"),
      split("\\s?\\p{P}+"),
      split("[一-龥ࠀ-一가-퟿]+"),
      SINGLE_NUMBERS,
    ),
  },
  "deepseek-v3": {
    split: inOrder(
      split(THREE_DIGITS),
      split("[一-龥぀-ゟ゠-ヿ]+"),
      split(
        `[!"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_\`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|${WHITE_SPACE}`,
      ),
    ),
  },
};

/**
 * The pre-tokenizer that a file names in `tokenizer.ggml.pre`, or GPT-2's.
 *
 * @throws TokenizerError `TOKENIZER_UNSUPPORTED`
 */
export const preTokenizer = (metadata: ReadonlyMap<string, unknown>): PreTokenizer => {
  const name = metadata.get("tokenizer.ggml.pre") ?? "default";
  if (typeof name === "string" && Object.hasOwn(PRE_TOKENIZERS, name)) return PRE_TOKENIZERS[name]!;
  const names = Object.keys(PRE_TOKENIZERS);
  const nearest =
    typeof name === "string"
      ? `; the nearest name is ${nearestName(name, names)}, but it may split text differently`
      : "";
  throw new TokenizerError(
    "TOKENIZER_UNSUPPORTED",
    `expected tokenizer.ggml.pre to be one of ${names.join(", ")}, got ${describeValue(name)}${nearest}; use a model with one of these`,
  );
};
