import type { LayerShape } from "@kvtuner/plan";

/** The numbers of one call of `attend`, float32 `[tokens, heads * headSize]`. */
export interface CallNumbers {
  readonly tokens: number;
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
}

/** Equal seeds give equal numbers. */
export const randomCall = (
  { queryHeads, kvHeads, headSize, valueSize = headSize }: LayerShape,
  tokens: number,
  seed: number,
): CallNumbers => ({
  tokens,
  query: randomRows(tokens, queryHeads * headSize, 3 * seed),
  key: randomRows(tokens, kvHeads * headSize, 3 * seed + 1),
  value: randomRows(tokens, kvHeads * valueSize, 3 * seed + 2),
});

/** A call with queries and keys that are large in two channels of every head for all tokens, as in models with biases. */
export const farOutCall = (
  { queryHeads, kvHeads, headSize }: LayerShape,
  tokens: number,
  seed: number,
): CallNumbers => {
  const farOut = (rows: Float32Array, offset: number): Float32Array =>
    rows.map((number, index) => {
      const channel = index % headSize;
      if (channel === 5) return offset + 2 * number;
      return channel === headSize - 3 ? 2 * number - offset : number;
    });
  return {
    tokens,
    query: farOut(randomRows(tokens, queryHeads * headSize, 3 * seed, NO_OFFSET), FAR_OUT_QUERY),
    key: farOut(randomRows(tokens, kvHeads * headSize, 3 * seed + 1, NO_OFFSET), FAR_OUT_KEY),
    value: randomRows(tokens, kvHeads * headSize, 3 * seed + 2, NO_OFFSET),
  };
};

const NO_OFFSET = (): number => 0;

/** Roughly the offset in Qwen2.5's first layers. */
const FAR_OUT_QUERY = 80;
const FAR_OUT_KEY = 150;

/** Like a model's keys: each channel has an offset of its own, some a large one. */
const offsetOf = (channel: number): number => Math.sin(channel) * (channel % 16 === 5 ? 4 : 0.5);

const randomRows = (
  tokens: number,
  width: number,
  seed: number,
  offset: (channel: number) => number = offsetOf,
): Float32Array => {
  const random = randomNumbers(seed);
  const offsets = Float32Array.from({ length: width }, (_, channel) => offset(channel));
  return Float32Array.from({ length: tokens * width }, (_, index) => normal(random) + offsets[index % width]!);
};

/** Nearly normal: the sum of three uniform numbers. */
const normal = (random: () => number): number => 2 * (random() + random() + random()) - 3;

/** Numbers from 0 to 1: a Weyl sequence through two rounds of multiply and shift. */
const randomNumbers = (seed: number): (() => number) => {
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  return () => {
    state = (state + 0x61c88647) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x45d9f3b);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
};
