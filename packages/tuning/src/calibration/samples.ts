import { cutSamples } from "@kvtuner/evaluation";
import type { TunableModel } from "../tunable-model.ts";

/** How a text is cut into samples. */
export interface SampleOptions {
  readonly samples: number;
  /** Tokens per sample. */
  readonly sampleLength: number;
}

/**
 * Tokenizes a text and cuts it into samples. Each sample begins with the model's start tokens. Of a long text, only the part that
 * the samples need is tokenized, since a token does not depend on text far after it.
 *
 * @throws EvaluationError `EVALUATION_TEXT_TOO_SHORT` when the text does not fill the samples, with both lengths.
 */
export const textSamples = (
  model: Pick<TunableModel, "encode" | "startIds">,
  text: string,
  { samples, sampleLength }: SampleOptions,
): Int32Array[] => {
  const { startIds = [] } = model;
  const length = sampleLength - startIds.length;
  const ids = encodeEnough((part) => model.encode(part), text, samples * length);
  return cutSamples(ids, length, samples).map((sample) => Int32Array.from([...startIds, ...sample]));
};

const MARGIN_TOKENS = 64;
const CHARACTERS_PER_TOKEN = 12;

/** The tokens of a text; of a long text, somewhat more than its first `tokens`. */
export const encodeEnough = (encode: (text: string) => Int32Array, text: string, tokens: number): Int32Array => {
  const length = (tokens + MARGIN_TOKENS) * CHARACTERS_PER_TOKEN;
  if (length >= text.length) return encode(text);
  // A cut through a surrogate pair would leave half a character.
  const ids = encode(text.slice(0, length).replace(/[\uD800-\uDBFF]$/, ""));
  return ids.length >= tokens + MARGIN_TOKENS ? ids : encode(text);
};
