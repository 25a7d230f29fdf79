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

/** Letters with case, by the ranges that DeepSeek lists; `\p{L}` has more. */
const DEEPSEEK_LETTERS =
  "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃";

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
  stablelm2: QWEN2,
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
