import type { Score } from "@kvtuner/evaluation";
import { z } from "zod";

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

const schema = z.object({
  pairs: z.array(z.string()),
  kl: z.number(),
  klStandardError: z.number(),
  top1: z.number(),
  perplexity: z.number(),
});

/** Checks one parsed journal line. */
export const parseEvaluationEntry = (value: unknown): EvaluationEntry => schema.parse(value);

/** The journal's line for a score. With one window there is no standard error: 0 stands for it. */
export const evaluationEntry = (pairs: readonly string[], score: Score): EvaluationEntry => ({
  pairs,
  kl: score.kl,
  klStandardError: Number.isFinite(score.klStandardError) ? score.klStandardError : 0,
  top1: score.top1,
  perplexity: score.perplexity,
});
