import type { Score } from "@kvtuner/evaluation";
import { z } from "zod";
import { planIdsSchema, type SearchSpace } from "../space/space.ts";
import type { Stored } from "../storage/storage.ts";

/** The figures of one plan; in a study on text, a line of `journal.jsonl`. */
export interface EvaluationEntry {
  /** Id of each layer's choice. */
  readonly choices: readonly string[];
  /** Mean KL divergence to the float cache, nats a token: of every token of a text, or of a task's answers. */
  readonly kl: number;
  readonly klStandardError: number;
  readonly top1?: number;
  readonly perplexity?: number;
  /** How a task's prompts were answered. */
  readonly task?: TaskFigures;
}

/** Schema of {@link TaskFigures}. */
export const taskFiguresSchema = z.object({
  accuracy: z.number(),
  accuracyStandardError: z.number(),
  floatAccuracy: z.number(),
  /** McNemar's p against the float cache. */
  pValue: z.number(),
  /** Prompts evaluated; fewer than all if the plan was dropped or is in progress. */
  prompts: z.int().min(1),
  /** Whether all prompts were evaluated. */
  isComplete: z.boolean(),
  /** Set if the journal says that the plan was dropped. Otherwise an incomplete plan may be in progress. */
  isGivenUp: z.boolean().exactOptional(),
  /** One digit per prompt: 1 if it was answered correctly. Plans are compared prompt by prompt. */
  correct: z.string(),
});

/** A plan's outcome and the float cache's on the same prompts. */
export type TaskFigures = Stored<typeof taskFiguresSchema>;

/** Schema of a journal line in a study on text. */
export const evaluationEntrySchema = (space: Pick<SearchSpace, "shape" | "choices">) =>
  z.object({
    choices: planIdsSchema(space),
    kl: z.number(),
    klStandardError: z.number(),
    top1: z.number(),
    perplexity: z.number(),
  });

/** The journal line of a score. With one sample there is no standard error; it is stored as 0. */
export const evaluationEntry = (choices: readonly string[], score: Score): EvaluationEntry => ({
  choices,
  kl: score.kl,
  klStandardError: Number.isFinite(score.klStandardError) ? score.klStandardError : 0,
  top1: score.top1,
  perplexity: score.perplexity,
});

/** The key of a plan in maps. */
export const planKey = (choices: readonly string[]): string => choices.join(" ");
