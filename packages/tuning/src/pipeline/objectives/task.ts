import { leadInErrors } from "../race.ts";
import type { MeasuredPlan, ObjectiveKind } from "./objective-kind.ts";

const errorOf = ({ task }: MeasuredPlan): number => 1 - (task?.accuracy ?? 0);

const answersOf = ({ task }: MeasuredPlan): boolean[] => Array.from(task?.correct ?? "", (digit) => digit === "1");

/**
 * Plans within one standard error of the most accurate one; of several equally accurate, the one with the lowest KL counts as
 * best. The standard error is the race's (`leadInErrors`): losing one prompt is within it, losing ten and gaining none is not.
 */
const withinNoise = <Plan extends MeasuredPlan>(plans: readonly Plan[]): Plan[] => {
  const [best] = plans.toSorted((one, other) => errorOf(one) - errorOf(other) || one.kl - other.kl);
  if (best === undefined) return [];
  const answers = answersOf(best);
  return plans.filter((plan) => leadInErrors(answers, answersOf(plan)) <= 1);
};

/** Share of a task's prompts that are answered wrong. */
export const taskObjective: ObjectiveKind = { loss: errorOf, needsTask: true, withinNoise };
