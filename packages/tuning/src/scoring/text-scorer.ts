import type { Score } from "@kvtuner/evaluation";
import { planSize, type PlanSize } from "@kvtuner/plan";
import { ownText, type OwnText, type OwnTextOptions } from "../calibration/own-text.ts";
import { textSamples } from "../calibration/samples.ts";
import { lazily } from "../lazily.ts";
import type { Callbacks } from "../progress.ts";
import { warnUnquantized } from "../space/unquantized.ts";
import type { TunableModel } from "../tunable-model.ts";
import type { PlanScorer } from "./plan-scorer.ts";

/** A plan's measured loss and its cost. The standard errors, over samples, are 0 for one sample. */
export interface TextResult extends Omit<Score, "sampleKl">, PlanSize {}

/** What plans are scored on. */
export interface TextScorerOptions extends OwnTextOptions {
  /** The model's own text by default. */
  readonly text?: string | undefined;
  /** Tokens at which bytes are counted. */
  readonly context: number;
}

/** Scores plans on samples of a text, which are made, and the model loaded, when the first plan is scored. */
export const textScorer = (
  model: TunableModel,
  { text, context, ...options }: TextScorerOptions,
  callbacks: Callbacks & { readonly ownText?: OwnText },
): PlanScorer<TextResult> => {
  const samples = async (): Promise<Int32Array[]> =>
    text === undefined ? (callbacks.ownText ?? ownText)(model, options, callbacks) : textSamples(model, text, options);
  const evaluator = lazily(async () => model.evaluator(await samples()));
  return {
    score: async (plan) => {
      warnUnquantized(plan.layers, options.sampleLength, "samples", callbacks);
      const { assets } = plan;
      const { signal } = callbacks;
      const [score] = await (await evaluator.get()).evaluate([plan.layers], { assets, ...(signal && { signal }) });
      callbacks.progress({ step: "evaluate", done: 1, total: 1 });
      if (score === undefined) throw new Error("internal: the evaluator returned no score");
      return { ...figuresOf(score), ...planSize(plan, context) };
    },
    dispose: evaluator.dispose,
  };
};

const figuresOf = ({ sampleKl, ...figures }: Score): Omit<Score, "sampleKl"> => ({
  ...figures,
  ...(sampleKl.length === 1 && { klStandardError: 0, top1StandardError: 0, perplexityStandardError: 0 }),
});
