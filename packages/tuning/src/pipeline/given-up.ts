import { planKey } from "./evaluation-entry.ts";
import type { ObjectiveKind } from "./objectives/objective-kind.ts";
import { isBeaten, raceRounds, type Racer } from "./race.ts";
import type { TaskEntry } from "./task-entry.ts";

/** A plan in a journal: all that it was asked. */
export interface JournalPlan extends Racer {
  readonly choices: readonly string[];
}

/** The journal's line of a dropped plan. */
export const givenUpEntry = (choices: readonly string[], asked: number): TaskEntry => ({
  choices,
  start: asked,
  correct: "",
  kl: [],
  isGivenUp: true,
});

/** Whether a journal says that this plan was given up after so many prompts. */
export const isMarked = (entries: readonly TaskEntry[], choices: readonly string[], asked: number): boolean =>
  entries.some((entry) => entry.isGivenUp && entry.start === asked && planKey(entry.choices) === planKey(choices));

/**
 * Plans of a journal that were given up in a race of so many prompts; others that were not asked everything are under way.
 * Journals of earlier versions do not say which: there, a plan was given up if it stopped after a round in which some plan
 * beats it.
 */
export const givenUpPlans = <Plan extends JournalPlan>(
  entries: readonly TaskEntry[],
  plans: readonly Plan[],
  prompts: number,
  objectives: readonly ObjectiveKind[],
): Plan[] => {
  const partial = plans.filter(({ correct }) => correct.length < prompts);
  if (entries.some(({ isGivenUp }) => isGivenUp))
    return partial.filter(({ choices, correct }) => isMarked(entries, choices, correct.length));
  const rounds = raceRounds(prompts);
  return partial.filter((plan) => {
    const asked = plan.correct.length;
    const rivals = plans.filter(({ correct }) => correct.length >= asked);
    return rounds.includes(asked) && isBeaten(plan, rivals, objectives);
  });
};
