import { describeValue } from "../gguf/describe-value.ts";
import { byteLevelBpe } from "./byte-level-bpe.ts";
import { preTokenizer } from "./pre-tokenizer.ts";
import { sentencePiece } from "./sentence-piece.ts";
import { TokenizerError } from "./tokenizer-error.ts";
import { jsonVocabulary, TOKENIZER_JSON } from "./tokenizer-json.ts";
import type { Vocabulary } from "./vocabulary.ts";

type Metadata = ReadonlyMap<string, unknown>;

/** A kind of tokenizer, by its name in `tokenizer.ggml.model`. */
export interface TokenizerKind {
  /** Adds what llama.cpp assumes where a file says nothing. */
  complete(metadata: Metadata): Metadata;
  /** Reads the vocabulary from completed metadata; `ends` are the tokens that end a generation. */
  read(metadata: Metadata, ends: readonly number[]): Vocabulary;
}

const withDefaults = (metadata: Metadata, defaults: Readonly<Record<string, unknown>>): Metadata =>
  new Map([...Object.entries(defaults).map(([key, value]) => [`tokenizer.ggml.${key}`, value] as const), ...metadata]);

const KINDS: Readonly<Record<string, TokenizerKind>> = {
  gpt2: {
    complete: (metadata) => withDefaults(metadata, { add_bos_token: preTokenizer(metadata).startsWithBos ?? false }),
    read: byteLevelBpe,
  },
  llama: {
    complete: (metadata) =>
      withDefaults(metadata, {
        bos_token_id: 1,
        eos_token_id: 2,
        unknown_token_id: 0,
        add_bos_token: true,
        add_space_prefix: true,
      }),
    read: sentencePiece,
  },
  // Its files may say that sequences have no BOS; the model needs one.
  gemma4: {
    complete: (metadata) => new Map([...metadata, ["tokenizer.ggml.add_bos_token", true]]),
    read: sentencePiece,
  },
  // Not of a GGUF file: the files beside an exported model, as `tokenizerMetadata` passes them.
  [TOKENIZER_JSON]: { complete: (metadata) => metadata, read: jsonVocabulary },
};

/** Kinds that llama.cpp knows and this package does not: what is missing. */
const MISSING: Readonly<Record<string, string>> = {
  bert: "WordPiece",
  t5: "SentencePiece's unigram model",
  rwkv: "RWKV's longest match",
  plamo2: "PLaMo 2's unigram model",
  whitespace: "splitting at white space only",
  hybriddna: "splitting DNA into k-mers",
};

/** @throws TokenizerError `TOKENIZER_UNSUPPORTED` */
export const tokenizerKind = (metadata: Metadata): TokenizerKind => {
  const model = metadata.get("tokenizer.ggml.model");
  if (typeof model === "string" && Object.hasOwn(KINDS, model)) return KINDS[model]!;
  const missing = typeof model === "string" && Object.hasOwn(MISSING, model) ? `; ${MISSING[model]} is missing` : "";
  throw new TokenizerError(
    "TOKENIZER_UNSUPPORTED",
    `expected tokenizer.ggml.model to be gpt2 (byte-level BPE), llama (SentencePiece BPE) or gemma4, got ${describeValue(model)}${missing}; use a model with one of these`,
  );
};
