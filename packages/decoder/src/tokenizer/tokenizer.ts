import { type ChatMessage, chatTemplate } from "./chat-template.ts";
import { endTokens } from "./end-tokens.ts";
import { joinIds } from "./join-ids.ts";
import { quoteSpecialTokens } from "./special-text.ts";
import { splitAtTokens } from "./split-at-tokens.ts";
import { tokenizerKind } from "./tokenizer-kind.ts";
import { optionalId, strings } from "./tokenizer-metadata.ts";

/** Options for encoding a conversation. */
export interface ChatOptions {
  /**
   * Recognizes special tokens in user messages. By default they are text, so that a user who types `<|im_end|>` does not
   * end a turn. Special tokens in the template and in messages of system and assistant are always recognized.
   */
  readonly specialTokens?: boolean;
}

/** Converts text to token ids and back, as defined by the model file. */
export interface Tokenizer {
  readonly vocabularySize: number;
  readonly bosId?: number;
  /**
   * Start of every sequence, as in training: BOS if the model file requests it (`tokenizer.ggml.add_bos_token`, otherwise
   * if the tokenizer is SentencePiece or splits text as Llama 3 or Tekken), or nothing.
   */
  readonly startIds: readonly number[];
  /** Tokens that end a generation. */
  readonly eosIds: readonly number[];
  /** Guesses about gaps in the file, for users; mostly empty. */
  readonly warnings: readonly string[];
  /** Ids of a text, without start or end tokens. Recognizes special tokens. */
  encode(text: string): Int32Array;
  /** Text of ids, special tokens included, without the space that some tokenizers put before a text. */
  decode(ids: ArrayLike<number>): string;
  /**
   * Renders a conversation in the model's chat template, up to the start of the assistant's turn.
   *
   * @throws TokenizerError `TOKENIZER_NO_CHAT_TEMPLATE`; `TOKENIZER_CHAT_TEMPLATE` for a template that fails, or takes
   *   too many steps, too much time or too much memory
   */
  chatPrompt(messages: readonly ChatMessage[]): string;
  /**
   * Ids of the same, with one BOS in front if {@link startIds} has it.
   *
   * @throws TokenizerError as {@link chatPrompt} does
   */
  chatIds(messages: readonly ChatMessage[], options?: ChatOptions): Int32Array;
}

/**
 * Creates the tokenizer of a GGUF file from its metadata: byte-level BPE or SentencePiece.
 *
 * @throws TokenizerError `TOKENIZER_UNSUPPORTED`, `TOKENIZER_METADATA`
 */
export const loadTokenizer = ({ metadata: stated }: { readonly metadata: ReadonlyMap<string, unknown> }): Tokenizer => {
  const kind = tokenizerKind(stated);
  const metadata = kind.complete(stated);
  const eosIds = endTokens(metadata, strings(metadata, "tokenizer.ggml.tokens"));
  const vocabulary = kind.read(metadata, eosIds);
  const chatPrompt = chatTemplate(metadata, vocabulary.tokens);
  const bosId = optionalId(metadata, "tokenizer.ggml.bos_token_id");
  const startIds = bosId !== undefined && metadata.get("tokenizer.ggml.add_bos_token") === true ? [bosId] : [];
  const splitAtControl = splitAtTokens(vocabulary.control);
  const encode = (text: string): number[] => vocabulary.encodeParts(vocabulary.split(text));
  const encodeChat = (messages: readonly ChatMessage[], { specialTokens = false }: ChatOptions): number[] => {
    const quoted = specialTokens ? undefined : quoteSpecialTokens(messages, splitAtControl);
    if (quoted === undefined) return encode(chatPrompt(messages));
    const parts = vocabulary.split(chatPrompt(quoted.messages));
    return vocabulary.encodeParts(parts.map((part, index) => (index % 2 === 1 ? part : quoted.unquote(part))));
  };
  return {
    vocabularySize: vocabulary.tokens.length,
    ...(bosId !== undefined && { bosId }),
    startIds,
    eosIds,
    warnings: warningsOf(stated),
    encode: (text) => Int32Array.from(encode(text)),
    decode: vocabulary.decode,
    chatPrompt,
    chatIds: (messages, options = {}) => {
      const ids = encodeChat(messages, options);
      return joinIds(ids[0] === startIds[0] ? [] : startIds, ids);
    },
  };
};

const warningsOf = (metadata: ReadonlyMap<string, unknown>): string[] =>
  metadata.has("tokenizer.ggml.pre") || metadata.get("tokenizer.ggml.model") !== "gpt2"
    ? []
    : [
        "the model file lacks tokenizer.ggml.pre, so its text is split as GPT-2 does, maybe not as the model was trained; convert the model again with a newer llama.cpp",
      ];
