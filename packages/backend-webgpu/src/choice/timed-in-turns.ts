/** Share of the time by which kernels must beat plainer ones: repeated timings of the same kernels differ by less. */
const MARGIN = 0.07;

const MOST_CALLS = 1024;

/** Work that can run `calls` times in a row; gives the total in milliseconds. */
export interface Timed {
  time(calls: number): Promise<number>;
}

/**
 * The number of calls, a power of two, that takes at least `leastMs`: long enough to ignore clock steps and the final
 * wait.
 */
export const callsLasting = async (timed: Timed, leastMs: number): Promise<number> => {
  let calls = 1;
  // The first call includes warm-up.
  await timed.time(calls);
  while (calls < MOST_CALLS && (await timed.time(calls)) < leastMs) calls *= 2;
  return calls;
};

/** True when the median time of `rival` beats that of `plainer` by more than chance. Both take turns. */
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
