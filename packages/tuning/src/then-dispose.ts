/**
 * Runs `work`, then every disposal in order, even after a failure. Throws the first error: that of the work before those of
 * disposals.
 */
export const thenDispose = async <Result>(
  work: () => Promise<Result>,
  ...disposals: readonly (() => Promise<void> | undefined)[]
): Promise<Result> => {
  const [worked] = await Promise.allSettled([(async () => work())()]);
  const outcomes: PromiseSettledResult<unknown>[] = [worked];
  for (const dispose of disposals) outcomes.push(...(await Promise.allSettled([(async () => dispose())()])));
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  return (worked as PromiseFulfilledResult<Result>).value;
};
