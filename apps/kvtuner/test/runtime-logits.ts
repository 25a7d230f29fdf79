import type { Attention } from "@kvtuner/backend";
import { forward, type Decoder } from "@kvtuner/decoder";
import { planLogits } from "@kvtuner/evaluation";
import type { Asset, LayerScheme } from "@kvtuner/plan";
import { roundToFloat16 } from "@kvtuner/quantizers";
import { Tensor } from "onnxruntime-common";

/** Keys and values of one layer over a whole text, float32 `[tokens, kvHeads * headSize]`, before any rounding. */
interface LayerKeys {
  readonly key: Float32Array;
  readonly value: Float32Array;
}

/** What the evaluator computes for a text under a plan. */
export interface Expected {
  /** `[tokens, vocabulary]` */
  readonly logits: Float32Array;
  readonly layers: readonly LayerKeys[];
}

/** The evaluator's logits of a text, with the keys and values that lead to them. */
export const evaluatorLogits = async (
  decoder: Decoder,
  ids: Int32Array,
  plan: readonly LayerScheme[],
  assets: readonly Asset[] = [],
): Promise<Expected> => {
  const layers: LayerKeys[] = [];
  const keep = (_: number, { key, value }: LayerKeys): void => void layers.push({ key, value });
  return { logits: await planLogits(decoder, ids, { layers: plan, assets }, keep), layers };
};

/** A runtime's logits, and how far it went along with the evaluator. */
export interface Run {
  readonly logits: Float32Array;
  /** Keys and values that the evaluator rounds to another float16, for they lie next to the middle of two. */
  ties: number;
  /** The largest difference of a key or value before rounding. */
  largestDifference: number;
}

/**
 * Logits at every position of a cache that is given the pieces of a text one after the other.
 *
 * What enters a cache is rounded to float16, and a number next to the middle of two goes either way by the last bit of
 * float32 arithmetic, which no two programs share. So that this is not taken for a difference, the cache is given the
 * evaluator's keys and values; how far they are from the runtime's own is in the result. Without ties that changes nothing.
 */
export const runtimeLogits = async (
  decoder: Decoder,
  cache: Attention,
  ids: Int32Array,
  cuts: readonly number[],
  expected: Expected,
): Promise<Run> => {
  const vocabulary = decoder.vocabularySize;
  const run: Run = { logits: new Float32Array(ids.length * vocabulary), ties: 0, largestDifference: 0 };
  const bounds = [...new Set([0, ...cuts.filter((cut) => cut < ids.length), ids.length])].toSorted((a, b) => a - b);
  const state = decoder.createState();
  for (const [index, end] of bounds.slice(1).entries()) {
    const start = bounds[index] ?? 0;
    const positions = Array.from({ length: end - start }, (_, token) => start + token);
    const attention = withKeysOf(expected, start, cache, run);
    const residual = await forward(decoder, ids.subarray(start, end), positions, attention, 1, [state]);
    run.logits.set((await decoder.head(residual)).data as Float32Array, start * vocabulary);
  }
  return run;
};

const withKeysOf = ({ layers }: Expected, start: number, cache: Attention, run: Run): Attention => ({
  attend: async (layer, query, key, value) => {
    const swap = (own: Tensor, all: Float32Array = new Float32Array(0)): Tensor => {
      const offset = start * (own.dims[2] ?? 0);
      const other = all.slice(offset, offset + own.size);
      compare(own.data as Float32Array, other, run);
      return new Tensor("float32", other, own.dims);
    };
    return cache.attend(layer, query, swap(key, layers[layer]?.key), swap(value, layers[layer]?.value));
  },
  read: async (sharing, query) => cache.read!(sharing, query),
});

const compare = (own: Float32Array, other: Float32Array, run: Run): void => {
  for (const [index, number] of own.entries()) {
    const expected = other[index] ?? Number.NaN;
    if (roundToFloat16(number) !== roundToFloat16(expected)) run.ties++;
    run.largestDifference = Math.max(run.largestDifference, Math.abs(number - expected));
  }
};

/** The largest difference of two arrays of one length. */
export const largestDifference = (one: Float32Array, other: Float32Array): number =>
  one.reduce((largest, number, index) => Math.max(largest, Math.abs(number - (other[index] ?? Number.NaN))), 0);
