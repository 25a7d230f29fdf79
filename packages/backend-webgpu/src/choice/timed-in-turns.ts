/** By what share of the time kernels have to be faster than plainer ones: times of the same kernels differ by less. */
const MARGIN = 0.07;

const MOST_CALLS = 1024;

/** Something that can be run some times in a row, in milliseconds for all of them. */
export interface Timed {
  time(calls: number): Promise<number>;
}

/** Calls that take at least so long together, a power of two: a clock's step and a wait are little beside them. */
export const callsLasting = async (timed: Timed, leastMs: number): Promise<number> => {
  let calls = 1;
  // The first one of all is no measure for those that follow.
  await timed.time(calls);
  while (calls < MOST_CALLS && (await timed.time(calls)) < leastMs) calls *= 2;
  return calls;
};

/** True when `rival` is faster than the plainer one by more than what may be chance: both take turns, and medians count. */
export const isFaster = async (rival: Timed, plainer: Timed, calls: number, rounds: number): Promise<boolean> => {
  const times = { rival: [] as number[], plainer: [] as number[] };
  await rival.time(calls);
  for (let round = 0; round < rounds; round++) {
    times.plainer.push(await plainer.time(calls));
    times.rival.push(await rival.time(calls));
  }
  return median(times.rival) < (1 - MARGIN) * median(times.plainer);
};

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
