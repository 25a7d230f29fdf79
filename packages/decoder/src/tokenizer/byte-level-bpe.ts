import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { describeValue } from "../gguf/describe-value.ts";
import { NFC_PRE_TOKENIZERS, PRE_TOKENIZERS } from "./pre-tokenizer.ts";
import { splitText } from "./split-text.ts";
import { TokenizerError } from "./tokenizer-error.ts";
import { numbers, strings } from "./tokenizer-metadata.ts";

/** Byte-level BPE of a model file. */
export interface ByteLevelBpe {
  readonly tokens: readonly string[];
  /** Texts of special tokens; `control` are those that steer the model. */
  readonly special: { readonly all: readonly string[]; readonly control: readonly string[] };
  /** Ids of a text, with special tokens recognized. */
  encode(text: string): number[];
  /** Ids of a text, with special tokens read as plain text. */
  encodePlain(text: string): number[];
  decode(ids: ArrayLike<number>): string;
}

const DECODING = { skip_special_tokens: false, clean_up_tokenization_spaces: false };
const CONTROL = 3;
const USER_DEFINED = 4;

/**
 * Reads byte-level BPE from a model's metadata.
 *
 * @param ends ids that end a generation: control tokens, even if the file does not mark them
 * @throws TokenizerError `TOKENIZER_UNSUPPORTED`, `TOKENIZER_METADATA`
 */
export const byteLevelBpe = (metadata: ReadonlyMap<string, unknown>, ends: readonly number[]): ByteLevelBpe => {
  const tokens = strings(metadata, "tokenizer.ggml.tokens");
  const types = numbers(metadata, "tokenizer.ggml.token_type", tokens.length);
  const isControl = (id: number): boolean => types[id] === CONTROL || ends.includes(id);
  const added = tokens.flatMap((content, id) =>
    isControl(id) || types[id] === USER_DEFINED ? [{ id, content, special: isControl(id) }] : [],
  );
  const inner = new HuggingFaceTokenizer(tokenizerJson(metadata, tokens, added), {
    clean_up_tokenization_spaces: false,
  });
  return {
    tokens,
    special: {
      all: added.map(({ content }) => content),
      control: added.filter(({ special }) => special).map(({ content }) => content),
    },
    encode: (text) => splitText(text).flatMap((part) => inner.encode(part, { add_special_tokens: false }).ids),
    encodePlain: (text) => splitText(text).flatMap((part) => plainIds(inner, part)),
    decode: (ids) => (ids.length === 0 ? "" : inner.decode(Array.from(ids), DECODING)), // the library rejects empty lists
  };
};

/** The library's declarations of these do not resolve in ES modules. */
interface Steps {
  readonly normalizer: ((text: string) => string) | null;
  readonly pre_tokenizer: (text: string) => string[];
  readonly model: (pieces: readonly string[]) => string[];
}

/** Repeats the library's steps for text without special tokens. */
const plainIds = (inner: HuggingFaceTokenizer, text: string): number[] => {
  const { normalizer, pre_tokenizer: preTokenizer, model } = inner as unknown as Steps;
  return model(preTokenizer(normalizer?.(text) ?? text)).map((token) => inner.token_to_id(token) ?? 0);
};

const tokenizerJson = (
  metadata: ReadonlyMap<string, unknown>,
  tokens: readonly string[],
  added: readonly object[],
): object => {
  const pre = preTokenizerName(metadata);
  return {
    normalizer: NFC_PRE_TOKENIZERS.includes(pre) ? { type: "NFC" } : null,
    pre_tokenizer: PRE_TOKENIZERS[pre],
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: strings(metadata, "tokenizer.ggml.merges"),
      ignore_merges: isLlama3(metadata),
    },
    added_tokens: added.map((token) => ({
      ...token,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
    })),
  };
};

/** True if texts are split as in Llama 3. */
export const isLlama3 = (metadata: ReadonlyMap<string, unknown>): boolean =>
  preTokenizerName(metadata).startsWith("llama");

const preTokenizerName = (metadata: ReadonlyMap<string, unknown>): string => {
  const model = metadata.get("tokenizer.ggml.model");
  if (model !== "gpt2")
    throw new TokenizerError(
      "TOKENIZER_UNSUPPORTED",
      `expected tokenizer.ggml.model gpt2 (byte-level BPE), got ${describeValue(model)}; use a model with such a tokenizer`,
    );
  const pre = metadata.get("tokenizer.ggml.pre") ?? "default";
  if (typeof pre === "string" && Object.hasOwn(PRE_TOKENIZERS, pre)) return pre;
  throw new TokenizerError(
    "TOKENIZER_UNSUPPORTED",
    `expected tokenizer.ggml.pre to be one of ${Object.keys(PRE_TOKENIZERS).join(", ")}, got ${describeValue(pre)}; use a model with one of these`,
  );
};
