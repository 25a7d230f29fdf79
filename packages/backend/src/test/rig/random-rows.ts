import type { CacheShape } from "@kvtuner/plan";

/** The numbers of one call of `attend`, float32 `[tokens, heads * headSize]`. */
export interface CallNumbers {
  readonly tokens: number;
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
}

/** The same seed gives the same numbers. */
export const randomCall = (
  { queryHeads, kvHeads, headSize }: CacheShape,
  tokens: number,
  seed: number,
): CallNumbers => ({
  tokens,
  query: randomRows(tokens, queryHeads * headSize, 3 * seed),
  key: randomRows(tokens, kvHeads * headSize, 3 * seed + 1),
  value: randomRows(tokens, kvHeads * headSize, 3 * seed + 2),
});

/** Like keys of a model: channels with an offset of their own, some of them far out. */
const randomRows = (tokens: number, width: number, seed: number): Float32Array => {
  const random = randomNumbers(seed);
  const offsets = Float32Array.from(
    { length: width },
    (_, channel) => Math.sin(channel) * (channel % 16 === 5 ? 4 : 0.5),
  );
  return Float32Array.from({ length: tokens * width }, (_, index) => normal(random) + offsets[index % width]!);
};

/** Nearly normal: three uniform numbers together. */
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
