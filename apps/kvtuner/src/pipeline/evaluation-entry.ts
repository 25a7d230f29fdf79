import type { Score } from "@kvtuner/evaluation";
import { z } from "zod";

import type { SearchSpace } from "./space.ts";

/** A line of `journal.jsonl`: one plan, scored on the calibration windows. */
export interface EvaluationEntry {
  /** One pair a layer, `K8V4` and the like. */
  readonly pairs: readonly string[];
  /** Mean KL divergence to the float cache, nats a token. */
  readonly kl: number;
  readonly klStandardError: number;
  readonly top1: number;
  readonly perplexity: number;
}

/** Checks one parsed journal line of a study over this space. */
export const evaluationEntryParser = ({
  shape,
  pairNames,
}: Pick<SearchSpace, "shape" | "pairNames">): ((value: unknown) => EvaluationEntry) => {
  const schema = z.object({
    pairs: z.array(z.enum(pairNames)).length(shape.layers),
    kl: z.number(),
    klStandardError: z.number(),
    top1: z.number(),
    perplexity: z.number(),
  });
  return (value) => schema.parse(value);
};

/** The journal's line for a score. With one window there is no standard error: 0 stands for it. */
export const evaluationEntry = (pairs: readonly string[], score: Score): EvaluationEntry => ({
  pairs,
  kl: score.kl,
  klStandardError: Number.isFinite(score.klStandardError) ? score.klStandardError : 0,
  top1: score.top1,
  perplexity: score.perplexity,
});
