import { taskScore, type TaskOutcome } from "@kvtuner/evaluation";
import type { MeasuredPlan, ObjectiveKind } from "./objectives/objective-kind.ts";
import { digitsOf, firstOf } from "./task-entry.ts";

/** Prompts on which every plan is evaluated before any is dropped. */
const FIRST_PROMPTS = 25;

/** Numbers of prompts after which plans are compared: 25, 50, 100, ... and all. */
export const raceRounds = (prompts: number): number[] => {
  const rounds: number[] = [];
  for (let end = FIRST_PROMPTS; end < prompts; end *= 2) rounds.push(end);
  return [...rounds, prompts];
};

/** A plan in a race: its outcome on each prompt evaluated, and its cost. */
export interface Racer extends TaskOutcome {
  readonly cost: number;
}

/** Standard errors by which a plan must be worse to be dropped; hundreds of comparisons hardly ever err at this margin. */
export const GIVEN_UP_BEHIND = 3;

/**
 * Whether some rival that costs no more is better on the prompts that both were evaluated on: no worse in any objective, and in one
 * by more than chance explains. A plan that is better in some objective may be on the front, whatever the others say.
 */
export const isBeaten = (
  racer: Racer,
  rivals: readonly Racer[],
  objectives: readonly ObjectiveKind[],
  margin: number = GIVEN_UP_BEHIND,
): boolean => rivals.some((rival) => rival.cost <= racer.cost && isAhead(rival, racer, objectives, margin));

const isAhead = (rival: Racer, racer: Racer, objectives: readonly ObjectiveKind[], margin: number): boolean => {
  const prompts = Math.min(rival.correct.length, racer.correct.length);
  const [ahead, behind] = [measuredOn(rival, prompts), measuredOn(racer, prompts)];
  return (
    objectives.every((objective) => objective.loss(ahead) <= objective.loss(behind)) &&
    objectives.some((objective) => (objective.leadInErrors?.(ahead, behind) ?? 0) > margin)
  );
};

const measuredOn = (outcome: TaskOutcome, prompts: number): MeasuredPlan => {
  const first = firstOf(outcome, prompts);
  const { kl, accuracy } = taskScore(first);
  return { kl, task: { accuracy, correct: digitsOf(first.correct) } };
};
