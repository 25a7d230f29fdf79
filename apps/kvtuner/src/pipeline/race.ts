/** Prompts that every plan is asked before any is given up. */
const FIRST_PROMPTS = 25;

/** Numbers of prompts after which plans are compared: 25, 50, 100, ... and all. */
export const raceRounds = (prompts: number): number[] => {
  const rounds: number[] = [];
  for (let end = FIRST_PROMPTS; end < prompts; end *= 2) rounds.push(end);
  return [...rounds, prompts];
};

/** A plan in a race: which of the prompts it was asked it answered right, and what it costs. */
export interface Racer {
  readonly correct: readonly boolean[];
  readonly cost: number;
}

/** Standard errors that a plan must be behind to be given up: so many that hundreds of comparisons hardly ever err. */
export const GIVEN_UP_BEHIND = 3;

/** Whether some rival of no more cost answers so many more of the prompts both were asked that chance is no excuse. */
export const isBeaten = (racer: Racer, rivals: readonly Racer[], margin: number = GIVEN_UP_BEHIND): boolean =>
  rivals.some((rival) => rival.cost <= racer.cost && leadInErrors(rival.correct, racer.correct) > margin);

/**
 * Difference of two accuracies on the same prompts in its standard errors. With half a prompt added to each of the four
 * counts (Agresti and Min, 2005), the error is not 0 where few prompts differ, or all do.
 */
export const leadInErrors = (first: readonly boolean[], second: readonly boolean[]): number => {
  const prompts = Math.min(first.length, second.length);
  let [gained, lost] = [0.5, 0.5];
  for (let index = 0; index < prompts; index++) {
    if (first[index] === second[index]) continue;
    if (first[index] === true) gained++;
    else lost++;
  }
  const variance = gained + lost - (gained - lost) ** 2 / (prompts + 2);
  return (gained - lost) / Math.sqrt(variance);
};
