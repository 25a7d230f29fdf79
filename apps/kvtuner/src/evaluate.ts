import type { Plan } from "@kvtuner/plan";
import {
  assertOwnTextIsSampled,
  fillOptions,
  callbacksOf,
  RETRIEVAL_OPTIONS,
  retrievalScorer,
  taskScorer,
  textScorer,
  thenDispose,
  warnOnce,
  type PlanScorer,
  type Callbacks,
  type RetrievalResult,
  type TaskResult,
  type TextResult,
  type TunableModel,
} from "@kvtuner/tuning";
import { cachedOwnText } from "./calibration/cached-own-text.ts";
import { defaultText } from "./calibration/default-text.ts";
import { readText } from "./calibration/text.ts";
import type { ContextOption } from "./model/header.ts";
import { openModel } from "./model/open.ts";
import { readPlan } from "./model/read-plan.ts";
import {
  EVALUATE_OPTIONS,
  type EvaluateRetrievalSettings,
  type EvaluateSettings,
  type EvaluateTaskSettings,
} from "./options.ts";
import { readTask } from "./tasks/read-task.ts";

/** A plan, the path of a plan file, or shorthand like `kivi:K4V2+sinks4`. */
type GivenPlan = Plan | string;

/** Options of {@link evaluate}. */
export interface EvaluateOptions extends EvaluateSettings {
  readonly plan: GivenPlan;
}

/** Options of {@link evaluateTask}. */
export interface EvaluateTaskOptions extends EvaluateTaskSettings {
  readonly plan: GivenPlan;
}

/** Scores plans as users give them; `dispose` gives back the model too, unless the caller opened it. */
export interface GivenPlanScorer<Result> extends PlanScorer<Result> {
  /** Reads and checks a plan without scoring it, so that a mistake in the last of many plans shows before the first is scored. */
  read(plan: GivenPlan): Plan;
  score(plan: GivenPlan): Promise<Result>;
}

/**
 * Measures what one plan costs and loses.
 *
 * @throws KvtunerError for bad options, texts, models and plans.
 */
export const evaluate = async (options: EvaluateOptions): Promise<TextResult> =>
  scoreOne(await openPlanScorer(options), options.plan);

/**
 * Measures how many prompts a plan answers correctly, compared with the float cache.
 *
 * @throws KvtunerError for bad options, tasks, models and plans.
 */
export const evaluateTask = async (options: EvaluateTaskOptions): Promise<TaskResult> =>
  scoreOne(await openTaskScorer(options), options.plan);

const scoreOne = async <Result>(scorer: GivenPlanScorer<Result>, plan: GivenPlan): Promise<Result> => {
  return thenDispose(
    () => scorer.score(plan),
    () => scorer.dispose(),
  );
};

/** Opens a model and a text for any number of plans. */
export const openPlanScorer = async (settings: EvaluateSettings): Promise<GivenPlanScorer<TextResult>> => {
  const { text: given, ...options } = fillOptions(EVALUATE_OPTIONS, settings);
  const path = given ?? defaultText(settings.model, "evaluation");
  const text = path === undefined ? undefined : readText(path);
  if (text === undefined) assertOwnTextIsSampled(options);
  const intended = { contextLength: Math.max(options.context, options.sampleLength) };
  return openScorer(settings, intended, (model, callbacks) =>
    textScorer(model, { ...options, text }, { ...callbacks, ownText: cachedOwnText }),
  );
};

/** Opens a model and tasks for any number of plans. */
export const openTaskScorer = async (settings: EvaluateTaskSettings): Promise<GivenPlanScorer<TaskResult>> => {
  const task = readTask(settings);
  const { context } = fillOptions({ context: EVALUATE_OPTIONS.context }, settings);
  const intended = { contextLength: context };
  return openScorer(settings, intended, (model, callbacks) => taskScorer(model, task, context, callbacks));
};

/** Opens a model and makes texts that hide something, for any number of plans. */
export const openRetrievalScorer = async (
  settings: EvaluateRetrievalSettings,
): Promise<GivenPlanScorer<RetrievalResult>> => {
  const { context, seed } = fillOptions({ context: EVALUATE_OPTIONS.context, seed: EVALUATE_OPTIONS.seed }, settings);
  const { retrieval = [], ...sizes } = fillOptions(RETRIEVAL_OPTIONS, settings);
  const intended = { contextLength: Math.max(context, ...sizes.lengths) };
  return openScorer(settings, intended, (model, callbacks) =>
    retrievalScorer(model, { kinds: retrieval, ...sizes, seed }, context, callbacks),
  );
};

const openScorer = async <Result>(
  settings: EvaluateSettings | EvaluateTaskSettings | EvaluateRetrievalSettings,
  intended: ContextOption,
  open: (model: TunableModel, callbacks: Callbacks) => PlanScorer<Result>,
): Promise<GivenPlanScorer<Result>> => {
  const callbacks = warnOnce(callbacksOf(settings));
  const access = { ...callbacks, offline: settings.offline === true };
  const model = typeof settings.model === "string" ? await openModel(settings.model, access, intended) : settings.model;
  const disposeModel = async (): Promise<void> => {
    if (typeof settings.model === "string") await model.dispose();
  };
  try {
    const scorer = open(model, callbacks);
    const read = (given: GivenPlan): Plan =>
      readPlan(given, model, { anyWeights: settings.anyWeights === true, warn: callbacks.warn });
    return {
      read,
      score: async (given) => scorer.score(read(given)),
      dispose: () => thenDispose(() => scorer.dispose(), disposeModel),
    };
  } catch (error) {
    return thenDispose(() => {
      throw error;
    }, disposeModel);
  }
};
