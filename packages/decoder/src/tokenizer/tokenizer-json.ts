import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { splitAtTokens } from "./split-at-tokens.ts";
import { TokenizerError } from "./tokenizer-error.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** Texts of the files beside an exported model that describe its tokenizer. */
export interface TokenizerFiles {
  /** `tokenizer.json` */
  readonly tokenizer: string;
  /** `tokenizer_config.json` */
  readonly config?: string;
  /** `generation_config.json` */
  readonly generation?: string;
  /** `chat_template.jinja` */
  readonly chatTemplate?: string;
}

/** A JSON object of unknown contents. */
type Json = Readonly<Record<string, unknown>>;

/** The kind of these files among those of `tokenizer.ggml.model`. */
export const TOKENIZER_JSON = "tokenizer.json";

/**
 * The files in the form of a model file's metadata, for `loadTokenizer`.
 *
 * @throws TokenizerError `TOKENIZER_METADATA`
 */
export const tokenizerMetadata = (files: TokenizerFiles): ReadonlyMap<string, unknown> => {
  const json = parsed(files.tokenizer, TOKENIZER_JSON);
  const config = parsed(files.config ?? "{}", "tokenizer_config.json");
  const generation = parsed(files.generation ?? "{}", "generation_config.json");
  const tokens = tokensOf(json);
  const idOf = (key: string): number | undefined => {
    const text = textOf(config[`${key}_token`]);
    const id = text === undefined ? generation[`${key}_token_id`] : tokens.indexOf(text);
    const first: unknown = Array.isArray(id) ? id[0] : id;
    return typeof first === "number" && first >= 0 ? first : undefined;
  };
  const [bos, eos] = [idOf("bos"), idOf("eos")];
  const template = files.chatTemplate ?? config["chat_template"];
  return new Map<string, unknown>([
    ["tokenizer.ggml.model", TOKENIZER_JSON],
    ["tokenizer.ggml.tokens", tokens],
    [TOKENIZER_JSON, json],
    ["tokenizer.ggml.add_bos_token", bos !== undefined && encoded(json, "a")[0] === bos],
    ...(bos === undefined ? [] : [["tokenizer.ggml.bos_token_id", bos] as const]),
    ...(eos === undefined ? [] : [["tokenizer.ggml.eos_token_id", eos] as const]),
    ...(typeof template === "string" ? [["tokenizer.chat_template", template] as const] : []),
  ]);
};

/** The library's declarations of these do not resolve in ES modules. */
interface Steps {
  readonly normalizer: ((text: string) => string) | null;
  readonly pre_tokenizer: ((text: string, options?: object) => string[]) | null;
  readonly model: (pieces: readonly string[]) => string[];
}

/** Reads the vocabulary from {@link tokenizerMetadata}. `ends` are the tokens that end a generation. */
export const jsonVocabulary = (metadata: ReadonlyMap<string, unknown>, ends: readonly number[]): Vocabulary => {
  const json = metadata.get(TOKENIZER_JSON) as Json;
  const tokens = metadata.get("tokenizer.ggml.tokens") as readonly string[];
  const inner = libraryTokenizer(json);
  const added = addedTokens(json);
  const flags = new Map(added.map((token) => [token.content, token]));
  /** `section` is the text's place among texts and tokens: some models put a space before the first only. */
  const plainIds = (text: string, section: number): number[] => {
    const { normalizer, pre_tokenizer: preTokenizer, model } = inner as unknown as Steps;
    const normalized = normalizer?.(text) ?? text;
    if (normalized === "") return [];
    const words = preTokenizer?.(normalized, { section_index: section }) ?? [normalized];
    return model(words).map((token) => inner.token_to_id(token) ?? 0);
  };
  /** Some tokens take the white space beside them. */
  const stripped = (text: string, before: string | undefined, after: string | undefined): string => {
    const start = flags.get(before ?? "")?.rstrip === true ? text.trimStart() : text;
    return flags.get(after ?? "")?.lstrip === true ? start.trimEnd() : start;
  };
  return {
    tokens,
    control: added.filter(({ id, special }) => special || ends.includes(id)).map(({ content }) => content),
    split: splitAtTokens(added.map(({ content }) => content)),
    encodeParts: (parts) =>
      parts.flatMap((part, index) =>
        index % 2 === 1
          ? [inner.token_to_id(part)!]
          : plainIds(stripped(part, parts[index - 1], parts[index + 1]), index),
      ),
    decode: (ids) => (ids.length === 0 ? "" : inner.decode(Array.from(ids), DECODING)), // the library rejects empty lists
  };
};

const DECODING = { skip_special_tokens: false, clean_up_tokenization_spaces: false };

/** Without specials of the tokenizer's own, except for what {@link tokenizerMetadata} asks. */
const libraryTokenizer = (json: Json): HuggingFaceTokenizer => new HuggingFaceTokenizer(json, {});

const encoded = (json: Json, text: string): number[] => libraryTokenizer(json).encode(text).ids;

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  readonly lstrip?: boolean;
  readonly rstrip?: boolean;
}

const addedTokens = (json: Json): readonly AddedToken[] => (json["added_tokens"] ?? []) as readonly AddedToken[];

const tokensOf = (json: Json): string[] => {
  const { vocab } = (json["model"] ?? {}) as { readonly vocab?: unknown };
  if (typeof vocab !== "object" || vocab === null)
    throw new TokenizerError(
      "TOKENIZER_METADATA",
      `expected model.vocab in ${TOKENIZER_JSON}, got none; download the file again`,
    );
  const tokens: string[] = [];
  // BPE lists ids by token; unigram lists `[token, score]` by id.
  if (Array.isArray(vocab)) for (const [id, [token]] of (vocab as [string, number][]).entries()) tokens[id] = token;
  else for (const [token, id] of Object.entries(vocab as Record<string, number>)) tokens[id] = token;
  for (const { id, content } of addedTokens(json)) tokens[id] = content;
  return Array.from(tokens, (token) => token ?? "");
};

/** Special tokens are texts or objects with their content. */
const textOf = (token: unknown): string | undefined => {
  if (typeof token === "string") return token;
  const { content } = (token ?? {}) as { readonly content?: unknown };
  return typeof content === "string" ? content : undefined;
};

const parsed = (text: string, file: string): Json => {
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    throw new TokenizerError("TOKENIZER_METADATA", `expected JSON in ${file}, got other text; download it again`, {
      cause,
    });
  }
};
