import { cutSamples } from "@kvtuner/evaluation";
import { KvtunerError } from "@kvtuner/plan";
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

/** Samples to tune on, and others to fit tables to. */
export interface TuningSamples {
  readonly samples: readonly Int32Array[];
  /** Absent where nothing is fitted, or where plans are scored on other text: on a task's answers. */
  readonly fitted?: readonly Int32Array[];
}

/**
 * Twice as many samples of a text, every other of which tables are fitted to: on those, they lose less than elsewhere.
 *
 * @param cut cuts or samples a text
 * @throws KvtunerError `EVALUATION_TEXT_TOO_SHORT` when it does not fill them, with both lengths
 */
export const heldOutSamples = async (
  sizes: SampleOptions,
  cut: (sizes: SampleOptions) => Promise<readonly Int32Array[]> | readonly Int32Array[],
): Promise<Required<TuningSamples>> => {
  const all = await twiceAsMany(sizes, cut);
  return { samples: all.filter((_, index) => index % 2 === 1), fitted: all.filter((_, index) => index % 2 === 0) };
};

const twiceAsMany = async (
  { samples, sampleLength }: SampleOptions,
  cut: (sizes: SampleOptions) => Promise<readonly Int32Array[]> | readonly Int32Array[],
): Promise<readonly Int32Array[]> => {
  try {
    return await cut({ sampleLength, samples: 2 * samples });
  } catch (cause) {
    if (!KvtunerError.isInstance(cause) || cause.code !== "EVALUATION_TEXT_TOO_SHORT") throw cause;
    const why = `tables are fitted to ${samples} samples, and plans are tuned on ${samples} others`;
    throw new KvtunerError(cause.code, `${cause.message}; ${why}`, { cause });
  }
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
