import type { CacheShape } from "@kvtuner/plan";
import { type CallNumbers, randomCall } from "./random-rows.ts";

/** Replaces the random number of a head's token and channel. */
type Rows = (token: number, channel: number, random: number) => number;

const ofChannel = (channel: number): number => Math.sin(1.7 * channel);

/** Rows whose groups have a scale of zero, or one close to it, per token or per channel. */
const KINDS: readonly Rows[] = [
  () => 0,
  () => 0.7312,
  (token) => Math.sin(1.7 * token),
  (_, channel) => ofChannel(channel),
  (_, channel, random) => ofChannel(channel) + 1e-4 * random,
  (_, channel, random) => (channel % 3 === 0 ? random : ofChannel(channel)),
  (token, channel, random) => (token % 64 < 32 ? ofChannel(channel) : random),
];

/** Heads of {@link constantCall}: one for each kind of keys, then one for each kind of values. */
export const CONSTANT_HEADS: number = 2 * KINDS.length;

/** A call whose heads have constant keys and random values, or the reverse. */
export const constantCall = (shape: CacheShape, tokens: number, seed: number): CallNumbers => {
  const call = randomCall(shape, tokens, seed);
  return { ...call, key: withKinds(shape, call.key, 0), value: withKinds(shape, call.value, KINDS.length) };
};

const withKinds = ({ kvHeads, headSize }: CacheShape, rows: Float32Array, firstHead: number): Float32Array =>
  rows.map((random, index) => {
    const kind = KINDS[(Math.floor(index / headSize) % kvHeads) - firstHead];
    return kind ? kind(Math.floor(index / (kvHeads * headSize)), index % headSize, random) : random;
  });
