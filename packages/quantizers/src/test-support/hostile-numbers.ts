import { fc } from "@fast-check/vitest";

type Random = () => number;

/** Numbers that make quantizers fail, one at a time; most depend on an anchor drawn once. */
const KINDS: Readonly<Record<string, (random: Random) => Random>> = {
  plain: (random) => () => random() * 8 - 4,
  constant: (random) => always((random() - 0.5) * 2000),
  zeros: () => always(0),
  signedZeros: (random) => () => (random() < 0.5 ? -0 : 0),
  outlier: (random) => () => (random() < 0.02 ? 1e4 : random() - 0.5),
  float32Subnormals: (random) => () => (random() - 0.5) * 2 ** -130,
  float16Subnormals: (random) => () => (random() - 0.5) * 2 ** -15,
  aroundSmallestScale: (random) => () => random() * 2 ** -22,
  offset: (random) => around(random, 1000 * random() + 1000, 2 ** -4),
  negativeOffset: (random) => around(random, -3000 - 1000 * random(), 1),
  halfSteps: (random) => () => Math.round(random() * 14) / 2,
  farHalfSteps: (random) => around(random, 5000, 7),
  largest: (random) => () => (random() < 0.5 ? 65_504 : -65_504),
  mixedMagnitudes: (random) => () => (random() - 0.5) * 2 ** (random() * 40 - 28),
};

const always =
  (value: number): Random =>
  () =>
    value;
const around =
  (random: Random, center: number, spread: number): Random =>
  () =>
    center + (random() - 0.5) * spread;

/** Fills a block with several kinds, changing after every `run` numbers. */
export interface Hostility {
  readonly kinds: readonly string[];
  readonly run: number;
  readonly seed: number;
}

/** Any hostility. */
export const anyHostility: fc.Arbitrary<Hostility> = fc.record({
  kinds: fc.array(fc.constantFrom(...Object.keys(KINDS)), { minLength: 1, maxLength: 3 }),
  run: fc.constantFrom(1, 7, 64, 1000),
  seed: fc.nat(),
});

/** `count` float32 numbers of magnitude at most `limit`. */
export const hostileNumbers = ({ kinds, run, seed }: Hostility, count: number, limit: number): Float32Array => {
  const random = mulberry32(seed);
  const makers = kinds.map((kind) => KINDS[kind]!(random));
  const clip = (x: number): number => Math.max(-limit, Math.min(limit, x));
  return Float32Array.from({ length: count }, (_, index) => clip(makers[Math.floor(index / run) % makers.length]!()));
};

/** Small seeded generator of numbers from 0 to 1 (Tommy Ettinger's mulberry32). */
export const mulberry32 = (seed: number): Random => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};
