import type { Evaluator, Score } from "@kvtuner/evaluation";
import { equivalentBits, planBytes, trueBits, type CacheBytes, type Plan } from "@kvtuner/plan";
import {
  assertOwnTextIsSampled,
  fillOptions,
  runContext,
  textSamples,
  unquantizedWarning,
  warningOnce,
} from "@kvtuner/tuning";
import { cachedOwnText } from "./calibration/cached-own-text.ts";
import { defaultText } from "./calibration/default-text.ts";
import { readText } from "./calibration/text.ts";
import { openModel } from "./model/open.ts";
import { readPlan } from "./model/read-plan.ts";
import { EVALUATE_OPTIONS, type EvaluateSettings } from "./options.ts";

/** Options of {@link evaluate}. */
export interface EvaluateOptions extends EvaluateSettings {
  /** A plan, the path of a plan file, or shorthand like `kivi:K4V2+sinks4`. */
  readonly plan: Plan | string;
}

/** A plan's measured loss and its cost. The standard errors, over samples, are 0 for one sample. */
export interface EvaluateResult extends Omit<Score, "sampleKl"> {
  /** Mean bits a stored number takes at the context length, everything counted. */
  readonly bits: number;
  /** The paper's mean of key and value bits, codes alone. */
  readonly equivalentBits: number;
  /** Bytes at the context length. */
  readonly bytes: number;
  readonly bytesByPart: CacheBytes;
}

/** Scores plans one after the other on the same text, with the model loaded once. */
export interface PlanScorer {
  /** Reads and checks a plan without scoring it: of many, a typing mistake in the last need not cost those before it. */
  read(plan: Plan | string): Plan;
  /** Scores a plan, given as in {@link EvaluateOptions}. */
  score(plan: Plan | string): Promise<EvaluateResult>;
  /** Gives back the model's memory, unless the caller opened it. */
  dispose(): Promise<void>;
}

/**
 * Measures what one plan costs and loses.
 *
 * @throws KvtunerError for bad options, texts, models and plans.
 */
export const evaluate = async (options: EvaluateOptions): Promise<EvaluateResult> => {
  const scorer = await openPlanScorer(options);
  try {
    return await scorer.score(options.plan);
  } finally {
    await scorer.dispose();
  }
};

/** Opens a model and a text for any number of plans. */
export const openPlanScorer = async (settings: EvaluateSettings): Promise<PlanScorer> => {
  const { context, seed, ...sampleOptions } = fillOptions(EVALUATE_OPTIONS, settings);
  const textPath = settings.text ?? defaultText(settings.model, "evaluation");
  const text = textPath === undefined ? undefined : readText(textPath);
  if (text === undefined) assertOwnTextIsSampled(sampleOptions);
  const run = runContext(settings);
  const model = typeof settings.model === "string" ? await openModel(settings.model, run) : settings.model;
  let evaluator: Evaluator | undefined;
  const warnOnce = warningOnce(run);
  const dispose = async (): Promise<void> => {
    await evaluator?.dispose();
    if (typeof settings.model === "string") await model.dispose();
  };
  const openEvaluator = async (): Promise<Evaluator> => {
    const samples =
      text === undefined
        ? await cachedOwnText(model, { ...sampleOptions, seed }, run)
        : textSamples(model, text, sampleOptions);
    return model.evaluator(samples);
  };
  const read = (given: Plan | string): Plan =>
    readPlan(given, model, { anyWeights: settings.anyWeights === true, warn: warnOnce });
  return {
    read,
    score: async (given) => {
      // The plan is checked first: a typing mistake should not cost the loading of a model.
      const plan = read(given);
      warnOnce(unquantizedWarning(plan.layers, sampleOptions.sampleLength));
      evaluator ??= await openEvaluator();
      const { signal } = settings;
      const scores = await evaluator.evaluate([plan.layers], signal === undefined ? {} : { signal });
      run.progress({ step: "evaluate", done: 1, total: 1 });
      return result(plan, scores[0], context);
    },
    dispose,
  };
};

const result = (plan: Plan, score: Score | undefined, context: number): EvaluateResult => {
  const bytesByPart = planBytes(plan, context);
  if (score === undefined) throw new Error("internal: the evaluator returned no score");
  const { sampleKl, ...figures } = score;
  return {
    ...figures,
    ...(sampleKl.length === 1 && { klStandardError: 0, top1StandardError: 0, perplexityStandardError: 0 }),
    bits: trueBits(plan, context),
    equivalentBits: equivalentBits(plan),
    bytes: bytesByPart.total,
    bytesByPart,
  };
};
