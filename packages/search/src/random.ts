import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus, xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";
import type { RandomGenerator } from "pure-rand/types/RandomGenerator";

/** The only source of randomness: integers, so that a seed gives the same search on every platform. */
export interface Random {
  /** Uniform on 0 .. count - 1. */
  below(count: number): number;
  /** True with probability numerator / denominator. */
  chance(numerator: number, denominator: number): boolean;
  /** Near normal, mean 0 and variance 1, without a logarithm: the sum of twelve uniform numbers less six. */
  normal(): number;
  /** JSON from which `randomFromState` continues. */
  state(): readonly number[];
}

/** Whether a number is a 32-bit integer, signed or not, so that no part of it is lost. */
export const isSeed = (seed: number): boolean => Number.isInteger(seed) && seed >= -(2 ** 31) && seed < 2 ** 32;

/**
 * The same numbers for the same seed.
 *
 * @param seed a 32-bit integer, signed or not
 */
export const randomFromSeed = (seed: number): Random => wrap(xoroshiro128plus(seed));

export const randomFromState = (state: readonly number[]): Random => wrap(xoroshiro128plusFromState(state));

const wrap = (generator: RandomGenerator): Random => {
  const below = (count: number): number => uniformInt(generator, 0, count - 1);
  return {
    below,
    chance: (numerator, denominator) => below(denominator) < numerator,
    normal: () => Array.from({ length: 12 }, () => below(0x1000000) / 0x1000000).reduce((a, b) => a + b, -6),
    state: () => generator.getState(),
  };
};
