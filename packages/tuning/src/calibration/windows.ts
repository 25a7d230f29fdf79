import { cutWindows } from "@kvtuner/evaluation";

import type { TunableModel } from "../tunable-model.ts";

/** How a text is cut into windows. */
export interface WindowOptions {
  readonly windows: number;
  /** Tokens of a window. */
  readonly windowLength: number;
}

/**
 * Tokenizes a text and cuts it into windows, each of which begins as the model's contexts do. Only as much of a long text is
 * tokenized as the windows need: a token depends on nothing far behind it.
 *
 * @throws EvaluationError `EVALUATION_TEXT_TOO_SHORT` when the text does not fill the windows, with both lengths.
 */
export const textWindows = (
  model: Pick<TunableModel, "encode" | "startIds">,
  text: string,
  { windows, windowLength }: WindowOptions,
): Int32Array[] => {
  const { startIds = [] } = model;
  const length = windowLength - startIds.length;
  const ids = encodeEnough((part) => model.encode(part), text, windows * length);
  return cutWindows(ids, length, windows).map((window) => Int32Array.from([...startIds, ...window]));
};

const MARGIN_TOKENS = 64;
const CHARACTERS_PER_TOKEN = 12;

/** The tokens of a text, or, of a long one, more than `tokens` of its first. */
export const encodeEnough = (encode: (text: string) => Int32Array, text: string, tokens: number): Int32Array => {
  const length = (tokens + MARGIN_TOKENS) * CHARACTERS_PER_TOKEN;
  if (length >= text.length) return encode(text);
  // A cut through a surrogate pair would leave half a character.
  const ids = encode(text.slice(0, length).replace(/[\uD800-\uDBFF]$/, ""));
  return ids.length >= tokens + MARGIN_TOKENS ? ids : encode(text);
};
