import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { mersenne } from "pure-rand/generator/mersenne";
import { GenerationError } from "./generation-error.ts";

/** Settings for sampling a token from logits. */
export interface Sampling {
  /** Divisor of the logits; 0 always takes the likeliest token. */
  readonly temperature: number;
  /** Samples only from this many of the likeliest tokens. */
  readonly topK?: number;
  /** Samples only from the smallest set of likeliest tokens with this share of the probability, 0 to 1. */
  readonly topP?: number;
  /** Returns numbers in [0, 1), such as {@link seededRandom}. Not called at temperature 0. */
  readonly random: () => number;
}

/** Takes the likeliest token. */
export const GREEDY: Sampling = { temperature: 0, random: () => 0 };

/**
 * Samples a token id from float32 logits `[vocabulary]`. Of equal logits, the lowest id counts as the likeliest.
 *
 * @throws GenerationError `GENERATION_SAMPLING` for settings out of range, `GENERATION_LOGITS` for empty logits or NaN
 */
export const sampleToken = (logits: Float32Array, sampling: Sampling): number => {
  assertSampling(sampling);
  const best = argmax(logits);
  if (sampling.temperature === 0 || logits[best] === Number.POSITIVE_INFINITY) return best;
  const ids = likeliest(logits, sampling);
  return ids[drawn(weightsOf(logits, ids, sampling.temperature), sampling)]!;
};

/** A generator of numbers in [0, 1) that repeats for the same seed. Only the low 32 bits of the seed count. */
export const seededRandom = (seed: number): (() => number) => {
  // Unlike other generators, this one mixes its seed first: those start with similar numbers for all small seeds.
  const generator = mersenne(seed);
  return () => uniformFloat64(generator);
};

const argmax = (logits: Float32Array): number => {
  let best = 0;
  for (let id = 0; id < logits.length; id++) {
    if (Number.isNaN(logits[id]!)) throw invalidLogits(`NaN for token ${id}`);
    if (logits[id]! > logits[best]!) best = id;
  }
  if (logits.length === 0) throw invalidLogits("none");
  return best;
};

/** Ids to sample from; the likeliest first when top-k or top-p applies. */
const likeliest = (logits: Float32Array, { topK, topP }: Sampling): Uint32Array => {
  const ids = new Uint32Array(logits.length);
  for (let id = 0; id < ids.length; id++) ids[id] = id;
  if (topK === undefined && topP === undefined) return ids;
  return ids.sort((a, b) => Math.sign(logits[b]! - logits[a]!) || a - b).subarray(0, topK);
};

/** Probabilities up to a common factor. Subtracts the largest logit to avoid overflow. */
const weightsOf = (logits: Float32Array, ids: Uint32Array, temperature: number): Float64Array => {
  const weights = new Float64Array(ids.length);
  let largest = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < ids.length; index++) largest = Math.max(largest, logits[ids[index]!]!);
  for (let index = 0; index < ids.length; index++) {
    const logit = logits[ids[index]!]!;
    weights[index] = logit === largest ? 1 : Math.exp((logit - largest) / temperature);
  }
  return weights;
};

/** Index of the sampled weight, never one of weight 0. */
const drawn = (weights: Float64Array, { topP = 1, random }: Sampling): number => {
  const kept = topP < 1 ? nucleusSize(weights, topP) : weights.length;
  let left = random() * sum(weights.subarray(0, kept));
  let last = 0;
  for (let index = 0; index < kept; index++) {
    if (weights[index] === 0) continue;
    last = index;
    left -= weights[index]!;
    if (left < 0) break;
  }
  return last;
};

/** Number of leading weights that hold the share `topP`. */
const nucleusSize = (weights: Float64Array, topP: number): number => {
  const target = topP * sum(weights);
  let held = 0;
  const index = weights.findIndex((weight) => (held += weight) >= target);
  return index < 0 ? weights.length : index + 1;
};

const sum = (weights: Float64Array): number => {
  let total = 0;
  for (let index = 0; index < weights.length; index++) total += weights[index]!;
  return total;
};

const assertSampling = ({ temperature, topK, topP }: Sampling): void => {
  if (!(temperature >= 0 && temperature < Number.POSITIVE_INFINITY))
    throw outOfRange("temperature to be a finite number of at least 0", temperature);
  if (topK !== undefined && !(Number.isInteger(topK) && topK > 0))
    throw outOfRange("topK to be a whole number of at least 1", topK);
  if (topP !== undefined && !(topP > 0 && topP <= 1)) throw outOfRange("topP to be above 0 and up to 1", topP);
};

const outOfRange = (expected: string, value: number): GenerationError =>
  new GenerationError("GENERATION_SAMPLING", `expected ${expected}, got ${value}; change the setting`);

const invalidLogits = (got: string): GenerationError =>
  new GenerationError(
    "GENERATION_LOGITS",
    `expected one number for each token as logits, got ${got}; the model's output is damaged`,
  );
