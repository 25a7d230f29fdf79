import { Template } from "@huggingface/jinja";
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { KvtunerError } from "@kvtuner/plan";
import { NFC_PRE_TOKENIZERS, PRE_TOKENIZERS } from "./pre-tokenizer.ts";
import { splitText } from "./split-text.ts";

/** One turn of a conversation. */
export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** Text to token ids and back, as the model file says. */
export interface Tokenizer {
  readonly vocabularySize: number;
  readonly bosId?: number;
  /**
   * What a context begins with that is no conversation: BOS where the model file asks for it (`tokenizer.ggml.add_bos_token`, or else
   * a pre-tokenizer of Llama 3), as it was trained; or nothing.
   */
  readonly startIds: readonly number[];
  /** Tokens that end a generation. */
  readonly eosIds: readonly number[];
  /** Ids of a text as it is: no token is put in front or behind. */
  encode(text: string): Int32Array;
  /** Text of ids, special tokens included. */
  decode(ids: ArrayLike<number>): string;
  /**
   * A conversation in the model's chat template, ready for the assistant's turn.
   *
   * @throws TokenizerError `TOKENIZER_NO_CHAT_TEMPLATE`, `TOKENIZER_CHAT_TEMPLATE`
   */
  chatPrompt(messages: readonly ChatMessage[]): string;
}

const DECODING = { skip_special_tokens: false, clean_up_tokenization_spaces: false };
const CONTROL = 3;
const USER_DEFINED = 4;

/**
 * Makes the tokenizer of a GGUF file from its metadata: byte-level BPE.
 *
 * @throws TokenizerError `TOKENIZER_UNSUPPORTED`, `TOKENIZER_METADATA`
 */
export const loadTokenizer = ({ metadata }: { readonly metadata: ReadonlyMap<string, unknown> }): Tokenizer => {
  const tokens = strings(metadata, "tokenizer.ggml.tokens");
  const inner = new HuggingFaceTokenizer(tokenizerJson(metadata, tokens), { clean_up_tokenization_spaces: false });
  const bosId = optionalId(metadata, "tokenizer.ggml.bos_token_id");
  const encodePart = (part: string): number[] => inner.encode(part, { add_special_tokens: false }).ids;
  return {
    vocabularySize: tokens.length,
    ...(bosId !== undefined && { bosId }),
    startIds: bosId !== undefined && asksForBos(metadata) ? [bosId] : [],
    eosIds: eosIds(metadata, tokens),
    encode: (text) => Int32Array.from(splitText(text).flatMap(encodePart)),
    decode: (ids) => (ids.length === 0 ? "" : inner.decode(Array.from(ids), DECODING)), // the library refuses no ids
    chatPrompt: (messages) => renderChat(metadata, messages, { tokens, bosId }),
  };
};

const asksForBos = (metadata: ReadonlyMap<string, unknown>): boolean => {
  const asked = metadata.get("tokenizer.ggml.add_bos_token");
  return typeof asked === "boolean" ? asked : LLAMA_3.test(preTokenizerName(metadata));
};

const LLAMA_3 = /^llama/;

const tokenizerJson = (metadata: ReadonlyMap<string, unknown>, tokens: readonly string[]): object => {
  const pre = preTokenizerName(metadata);
  const types = numbers(metadata, "tokenizer.ggml.token_type", tokens.length);
  return {
    normalizer: NFC_PRE_TOKENIZERS.includes(pre) ? { type: "NFC" } : null,
    pre_tokenizer: PRE_TOKENIZERS[pre],
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: strings(metadata, "tokenizer.ggml.merges"),
      ignore_merges: LLAMA_3.test(pre),
    },
    added_tokens: tokens.flatMap((content, id) =>
      types[id] === CONTROL || types[id] === USER_DEFINED ? [addedToken(id, content, types[id] === CONTROL)] : [],
    ),
  };
};

const addedToken = (id: number, content: string, special: boolean): object => ({
  id,
  content,
  special,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
});

const preTokenizerName = (metadata: ReadonlyMap<string, unknown>): string => {
  const model = metadata.get("tokenizer.ggml.model");
  if (model !== "gpt2")
    throw new TokenizerError(
      "TOKENIZER_UNSUPPORTED",
      `expected tokenizer.ggml.model gpt2 (byte-level BPE), got ${JSON.stringify(model ?? null)}; use a model with such a tokenizer`,
    );
  const pre = metadata.get("tokenizer.ggml.pre") ?? "default";
  if (typeof pre === "string" && Object.hasOwn(PRE_TOKENIZERS, pre)) return pre;
  throw new TokenizerError(
    "TOKENIZER_UNSUPPORTED",
    `expected tokenizer.ggml.pre to be one of ${Object.keys(PRE_TOKENIZERS).join(", ")}, got ${JSON.stringify(pre)}`,
  );
};

const eosIds = (metadata: ReadonlyMap<string, unknown>, tokens: readonly string[]): number[] => {
  const named = ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"].map((key) => optionalId(metadata, key));
  const endOfText = tokens.indexOf("<|endoftext|>");
  return [...new Set([...named, endOfText >= 0 ? endOfText : undefined])].filter((id) => id !== undefined);
};

const renderChat = (
  metadata: ReadonlyMap<string, unknown>,
  messages: readonly ChatMessage[],
  { tokens, bosId }: { tokens: readonly string[]; bosId: number | undefined },
): string => {
  const template = metadata.get("tokenizer.chat_template");
  if (typeof template !== "string")
    throw new TokenizerError(
      "TOKENIZER_NO_CHAT_TEMPLATE",
      "expected a chat template in the model file, found none; give a plain prompt instead",
    );
  const eosId = optionalId(metadata, "tokenizer.ggml.eos_token_id");
  try {
    return new Template(template).render({
      messages: messages.map((message) => ({ ...message })),
      add_generation_prompt: true,
      bos_token: bosId === undefined ? "" : (tokens[bosId] ?? ""),
      eos_token: eosId === undefined ? "" : (tokens[eosId] ?? ""),
    });
  } catch (cause) {
    throw new TokenizerError(
      "TOKENIZER_CHAT_TEMPLATE",
      `expected the model's chat template to take these messages, it failed: ${String(cause)}`,
      { cause },
    );
  }
};

const strings = (metadata: ReadonlyMap<string, unknown>, key: string): readonly string[] => {
  const value = metadata.get(key);
  if (Array.isArray(value) && value.every((entry) => typeof entry === "string")) return value;
  throw new TokenizerError(
    "TOKENIZER_METADATA",
    `expected ${key} to be a list of strings, got ${describe(value)}; convert the model again`,
  );
};

const numbers = (metadata: ReadonlyMap<string, unknown>, key: string, length: number): ArrayLike<number> => {
  const value = metadata.get(key) ?? new Uint8Array(length).fill(1);
  if (isNumbers(value) && value.length === length) return value;
  throw new TokenizerError(
    "TOKENIZER_METADATA",
    `expected ${key} to be ${length} numbers, got ${describe(value)}; convert the model again`,
  );
};

/** A typed array, as a file of 32-bit types gives it, or a list of numbers. */
const isNumbers = (value: unknown): value is ArrayLike<number> =>
  Array.isArray(value)
    ? value.every((entry) => typeof entry === "number")
    : ArrayBuffer.isView(value) && !(value instanceof DataView);

const optionalId = (metadata: ReadonlyMap<string, unknown>, key: string): number | undefined => {
  const value = metadata.get(key);
  return typeof value === "number" ? value : undefined;
};

const describe = (value: unknown): string =>
  Array.isArray(value) || isNumbers(value) ? `a list of ${value.length}` : typeof value;

/** A tokenizer that cannot be made or used; `code` says why. */
export class TokenizerError extends KvtunerError {
  override readonly name = "TokenizerError";
}
