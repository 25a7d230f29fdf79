import type { MeasuredPlan, ObjectiveKind } from "./objective-kind.ts";

const answersOf = ({ task }: MeasuredPlan): boolean[] => Array.from(task?.correct ?? "", (digit) => digit === "1");

/** Share of a task's prompts answered incorrectly. A plan without answers counts as one that answers nothing correctly. */
export const taskObjective: ObjectiveKind = {
  loss: ({ task }) => 1 - (task?.accuracy ?? 0),
  needsTask: true,
  leadInErrors: (plan, other) => leadInErrors(answersOf(plan), answersOf(other)),
};

/**
 * Difference of two accuracies on the same prompts in its standard errors. Losing one prompt is within one error; losing ten and
 * gaining none is not. Half a prompt is added to each of the four counts (Agresti and Min, 2005), so that the error is not 0 if
 * few prompts differ, or all do.
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
