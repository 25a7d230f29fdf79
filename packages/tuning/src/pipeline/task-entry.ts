import { comparePaired, taskScore, type TaskOutcome } from "@kvtuner/evaluation";
import { z } from "zod";
import { planIdsSchema, type SearchSpace } from "../space/space.ts";
import type { Stored } from "../storage/storage.ts";
import { planKey, type EvaluationEntry } from "./evaluation-entry.ts";

/** Schema of {@link TaskEntry}. */
export const taskEntrySchema = (space: Pick<SearchSpace, "shape" | "choices">) =>
  z.object({
    /** Id of each layer's choice; empty for the float cache. */
    choices: z.union([planIdsSchema(space), z.array(z.string()).length(0)]),
    /** First of the prompts. */
    start: z.int().min(0),
    /** One digit per prompt: 1 if it was answered correctly. */
    correct: z.string().regex(/^[01]*$/),
    /** KL on the tokens of each prompt's answer, nats a token. */
    kl: z.array(z.number()),
    /** The plan is dropped: it is evaluated on no prompt from `start` on. */
    isGivenUp: z.literal(true).exactOptional(),
  });

/** A line of `journal.jsonl` in a study with a task: one plan's outcome on some prompts, or on none if it is dropped. */
export type TaskEntry = Stored<ReturnType<typeof taskEntrySchema>>;

/** The journal's line for an outcome. */
export const taskEntry = (choices: readonly string[], start: number, { correct, kl }: TaskOutcome): TaskEntry => ({
  choices,
  start,
  correct: digitsOf(correct),
  kl,
});

/** One digit per prompt: 1 if it was answered correctly. */
export const digitsOf = (correct: readonly boolean[]): string => correct.map(Number).join("");

/** The known outcome extended by a line. A line that does not continue it adds nothing. */
const extended = (known: TaskOutcome, { start, correct, kl }: TaskEntry): TaskOutcome => {
  if (start !== known.correct.length || correct.length !== kl.length) return known;
  const digits = Array.from(correct, (digit) => digit === "1");
  return { correct: [...known.correct, ...digits], kl: [...known.kl, ...kl] };
};

/** Outcomes of a journal by {@link planKey}; the float cache's key is empty. */
export const answersByPlan = (entries: readonly TaskEntry[]): Map<string, TaskOutcome> => {
  const answers = new Map<string, TaskOutcome>();
  for (const entry of entries) remember(answers, entry);
  return answers;
};

/** Adds a line to the outcomes. */
export const remember = (answers: Map<string, TaskOutcome>, entry: TaskEntry): void => {
  const key = planKey(entry.choices);
  answers.set(key, extended(answers.get(key) ?? NOTHING, entry));
};

/** The outcome before the first prompt. */
export const NOTHING: TaskOutcome = { correct: [], kl: [] };

/** The float cache's lines have no choices. */
export const FLOAT: readonly string[] = [];

/** Figures of every plan in the journal of a task with `prompts` prompts, in the order of their first lines. */
export const figuresInJournal = (entries: readonly TaskEntry[], prompts: number): EvaluationEntry[] => {
  const answers = answersByPlan(entries);
  const float = answers.get(planKey(FLOAT)) ?? NOTHING;
  const plans = new Map(entries.map(({ choices }) => [planKey(choices), choices]));
  plans.delete(planKey(FLOAT));
  const givenUp = new Set(entries.filter(({ isGivenUp }) => isGivenUp).map(({ choices }) => planKey(choices)));
  return [...plans].map(([key, choices]) => {
    const outcome = answers.get(key) ?? NOTHING;
    const figures = figuresOf(choices, outcome, float, outcome.correct.length >= prompts);
    return givenUp.has(key) ? withMark(figures) : figures;
  });
};

const withMark = (entry: EvaluationEntry): EvaluationEntry =>
  entry.task === undefined ? entry : { ...entry, task: { ...entry.task, isGivenUp: true } };

/** The first prompts of an outcome. */
export const firstOf = ({ correct, kl }: TaskOutcome, prompts: number): TaskOutcome => ({
  correct: correct.slice(0, prompts),
  kl: kl.slice(0, prompts),
});

/** A plan's figures from its outcome and the float cache's on the same prompts. */
export const figuresOf = (
  choices: readonly string[],
  outcome: TaskOutcome,
  float: TaskOutcome,
  isComplete: boolean,
): EvaluationEntry => {
  const { kl, klStandardError, accuracy, accuracyStandardError, prompts } = taskScore(outcome);
  const base = firstOf(float, prompts);
  const { pValue } = comparePaired(outcome.correct, base.correct);
  const floatAccuracy = taskScore(base).accuracy;
  return {
    choices,
    kl,
    klStandardError,
    task: {
      accuracy,
      accuracyStandardError,
      floatAccuracy,
      pValue,
      prompts,
      isComplete,
      correct: digitsOf(outcome.correct),
    },
  };
};
