import { optionalId, optionalNumbers } from "./tokenizer-metadata.ts";

/** `llama_token_type` of llama.cpp. */
const [NORMAL, UNKNOWN, CONTROL, USER_DEFINED] = [1, 2, 3, 4];

/** Special tokens, which are found in a text before it is tokenized. */
export interface SpecialTokens {
  /** By their texts. */
  readonly ids: ReadonlyMap<string, number>;
  /** Texts of those that steer the model. The others stand for text that users may write. */
  readonly control: readonly string[];
}

/**
 * Reads which tokens are special. Control tokens are those that the file marks or names, and of `ends`, the tokens that
 * end a generation, those that it marks as special or writes in its chat template: in some vocabularies, `</s>` is text.
 *
 * @throws TokenizerError `TOKENIZER_METADATA`
 */
export const specialTokens = (
  metadata: ReadonlyMap<string, unknown>,
  tokens: readonly string[],
  ends: readonly number[],
): SpecialTokens => {
  const types = optionalNumbers(metadata, "tokenizer.ggml.token_type", tokens.length);
  const template = metadata.get("tokenizer.chat_template");
  const isInTemplate = (id: number): boolean => typeof template === "string" && template.includes(tokens[id] ?? "");
  const isSpecialEnd = (id: number): boolean => types?.[id] !== NORMAL || isInTemplate(id);
  const control = new Set([...namedIds(metadata), ...ends.filter(isSpecialEnd)]);
  const ids = new Map<string, number>();
  for (const [id, text] of tokens.entries()) {
    if (types?.[id] === CONTROL || types?.[id] === UNKNOWN) control.add(id);
    if (text !== "" && (control.has(id) || types?.[id] === USER_DEFINED)) ids.set(text, id);
  }
  return { ids, control: [...ids].filter(([, id]) => control.has(id)).map(([text]) => text) };
};

const namedIds = (metadata: ReadonlyMap<string, unknown>): number[] =>
  ["bos", "unknown", "eos", "eot", "eom"].flatMap(
    (name) => optionalId(metadata, `tokenizer.ggml.${name}_token_id`) ?? [],
  );
