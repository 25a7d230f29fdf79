/** Prompts on which every plan is evaluated before any is dropped. */
const FIRST_PROMPTS = 25;

/** Numbers of prompts after which plans are compared: 25, 50, 100, ... and all. */
export const raceRounds = (prompts: number): number[] => {
  const rounds: number[] = [];
  for (let end = FIRST_PROMPTS; end < prompts; end *= 2) rounds.push(end);
  return [...rounds, prompts];
};

/** A plan in a race: its outcome on each prompt evaluated, and its cost. */
export interface Racer {
  readonly correct: readonly boolean[];
  readonly cost: number;
  /** KL on each of those prompts' answers, where it is an objective beside accuracy. */
  readonly kl?: readonly number[];
}

/** Standard errors by which a plan must be worse to be dropped; hundreds of comparisons hardly ever err at this margin. */
export const GIVEN_UP_BEHIND = 3;

/**
 * Whether some rival of no more cost answers so many more of the prompts both were asked that chance is no excuse; where KL is
 * an objective too, only one of no more KL on those prompts, for a plan of less may be on the front whatever it answers.
 */
export const isBeaten = (racer: Racer, rivals: readonly Racer[], margin: number = GIVEN_UP_BEHIND): boolean =>
  rivals.some(
    (rival) =>
      rival.cost <= racer.cost && losesNoMore(rival, racer) && leadInErrors(rival.correct, racer.correct) > margin,
  );

const losesNoMore = ({ kl: first }: Racer, { kl: second }: Racer): boolean => {
  if (first === undefined || second === undefined) return true;
  const prompts = Math.min(first.length, second.length);
  return sumOf(first, prompts) <= sumOf(second, prompts);
};

const sumOf = (values: readonly number[], count: number): number =>
  values.slice(0, count).reduce((sum, value) => sum + value, 0);

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
