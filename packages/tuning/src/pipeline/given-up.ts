import { planKey } from "./evaluation-entry.ts";
import type { ObjectiveKind } from "./objectives/objective-kind.ts";
import { isBeaten, raceRounds, type Racer } from "./race.ts";
import type { TaskEntry } from "./task-entry.ts";

/** A plan in a journal, with its outcome on every prompt evaluated. */
export interface JournalPlan extends Racer {
  readonly choices: readonly string[];
}

/** The journal's line of a dropped plan. */
export const givenUpEntry = (choices: readonly string[], answered: number): TaskEntry => ({
  choices,
  start: answered,
  correct: "",
  kl: [],
  isGivenUp: true,
});

/** Whether a journal says that this plan was dropped after `answered` prompts. */
export const isMarked = (entries: readonly TaskEntry[], choices: readonly string[], answered: number): boolean =>
  entries.some((entry) => entry.isGivenUp && entry.start === answered && planKey(entry.choices) === planKey(choices));

/**
 * The dropped plans of a journal in a race over `prompts` prompts. Other incomplete plans are in progress. Journals of earlier
 * versions have no marks; in those, a plan counts as dropped if it stopped after a round in which another plan beats it.
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
    const answered = plan.correct.length;
    const rivals = plans.filter(({ correct }) => correct.length >= answered);
    return rounds.includes(answered) && isBeaten(plan, rivals, objectives);
  });
};
