import { assetBytes, type Plan } from "@kvtuner/plan";
import type { OwnText } from "../calibration/own-text.ts";
import { lazily } from "../lazily.ts";
import {
  assertLevelsReached,
  candidate,
  methodCandidates,
  nearestToLevels,
  type Candidate,
  type CandidateInputs,
  type Chosen,
} from "../methods/candidates.ts";
import { digestOf } from "../methods/digest.ts";
import type { Calibration, Method } from "../methods/method.ts";
import { METHODS } from "../methods/registry.ts";
import type { Callbacks } from "../progress.ts";
import { choiceOf, crossed } from "../space/crossed.ts";
import { writeRecord, type StudyStorage } from "../storage/storage.ts";
import { keptSettings } from "../study/kept-settings.ts";
import { writePlan } from "../study/plan-file.ts";
import type { ReadTask } from "../tasks/open-task.ts";
import { thenDispose } from "../then-dispose.ts";
import type { TunableModel } from "../tunable-model.ts";
import { TUNED, type ComparisonOptions } from "./options.ts";
import { COMPARISON_FILES, tunedPlanRecords, type Comparison, type ComparisonRow } from "./record.ts";
import { comparisonSamples, describeTexts, type ComparisonSamples } from "./samples.ts";
import { scorePlans, scoreTasks, timePlans } from "./score-plans.ts";
import { tunedPlans, type Family, type TunedPlan } from "./tuned-plans.ts";

/** What the caller of {@link compareModel} does itself. */
export interface ComparisonHooks extends Callbacks {
  /** Samples the model's own text; {@link ownText} by default. */
  readonly ownText?: OwnText;
  /** Task files; without them there is no accuracy. */
  readonly task?: ReadTask | undefined;
  /** Decode times relative to the float cache, undefined where no kernel stores a plan; without it there are no times. */
  readonly time?: ((plans: readonly Plan[]) => Promise<readonly (number | undefined)[]>) | undefined;
}

/**
 * Compares methods, each at its own settings nearest to each level of true bits, with plans tuned per layer. Resumes the comparison in
 * the storage: what was scored there is not scored again.
 *
 * @throws KvtunerError for texts, tasks and levels that do not fit the model, and for a comparison with other settings
 */
export const compareModel = async (
  model: TunableModel,
  options: ComparisonOptions,
  storage: StudyStorage,
  hooks: ComparisonHooks,
): Promise<Comparison> => {
  const lock = await storage.lock();
  return thenDispose(
    () => compareIn(model, options, storage, hooks),
    () => lock.release(),
  );
};

const compareIn = async (
  model: TunableModel,
  options: ComparisonOptions,
  storage: StudyStorage,
  hooks: ComparisonHooks,
): Promise<Comparison> => {
  const { shape } = model;
  const { bits: levels, context, seed } = options;
  const texts = once(() => comparisonSamples(model, options, storage, hooks));
  const calibration = async (): Promise<Calibration> => ({
    model,
    samples: (await texts()).calibration,
    context,
    seed,
    callbacks: hooks,
  });
  const sizes: CandidateInputs = { shape, context, calibration, warn: hooks.warn };
  const methods = METHODS.filter(({ name }) => options.methods.includes(name)).map((method) =>
    keptSettings(method, storage),
  );
  const candidates = await methodCandidates(methods, sizes);
  assertLevelsReached(candidates, levels, sizes);
  const samples = await texts();
  const tuned = options.methods.includes(TUNED)
    ? await tunedChosen({ model, options, storage, hooks, samples, sizes }, methods, candidates)
    : [];
  const chosen = [...nearestToLevels(candidates, levels), ...tuned];
  const rows = await scoredRows(chosen, samples, { model, storage, callbacks: hooks }, options, hooks);
  const comparison: Comparison = {
    version: 1,
    model: model.identity,
    shape,
    context,
    levels,
    ...describeTexts(options),
    ...rows,
  };
  await writeRecord(storage, COMPARISON_FILES.comparison, comparison);
  return comparison;
};

/** The result of the first call, for all calls. */
const once = <Result>(make: () => Promise<Result>): (() => Promise<Result>) => {
  let result: Promise<Result> | undefined;
  return () => (result ??= make());
};

const scoredRows = async (
  chosen: readonly Chosen[],
  samples: ComparisonSamples,
  inputs: Parameters<typeof scorePlans>[2],
  { context }: ComparisonOptions,
  { task, time }: Pick<ComparisonHooks, "task" | "time">,
): Promise<Pick<Comparison, "rows" | "floatPerplexity">> => {
  const digested = await Promise.all(chosen.map(async (plan) => ({ ...plan, digest: await digestOf(plan) })));
  const { scores, floatPerplexity } = await scorePlans(digested, samples.scoring, inputs);
  const tasks = task && (await scoreTasks(digested, task, context, inputs));
  const times = time && (await timePlans(digested, time, inputs));
  const rows = digested.map((plan): ComparisonRow => {
    const { plan: _, floatPerplexity: __, ...score } = scores.get(plan.digest)!;
    const accuracy = tasks?.get(plan.digest);
    const { method, title, label, levels, bits, bytes, file } = plan;
    const figures = {
      ...(file !== undefined && { plan: file }),
      method,
      title,
      label,
      levels,
      bits,
      bytes,
      assetBytes: assetBytes(plan),
      ...score,
    };
    const decodeTime = times?.get(plan.digest)?.decodeTime ?? undefined;
    return {
      ...figures,
      ...(accuracy && { task: withoutPlan(accuracy) }),
      ...(decodeTime !== undefined && { decodeTime }),
    };
  });
  return { rows, floatPerplexity };
};

const withoutPlan = <Entry extends { readonly plan: string }>({ plan: _, ...figures }: Entry): Omit<Entry, "plan"> =>
  figures;

interface TuningParts {
  readonly model: TunableModel;
  readonly options: ComparisonOptions;
  readonly storage: StudyStorage;
  readonly hooks: ComparisonHooks;
  readonly samples: ComparisonSamples;
  readonly sizes: CandidateInputs;
}

/** Tuned plans of every family, within each level. */
const tunedChosen = async (
  { model, options, storage, hooks, samples, sizes }: TuningParts,
  methods: readonly Method[],
  candidates: readonly Candidate[],
): Promise<Chosen[]> => {
  const { gradients } = model;
  if (gradients === undefined) {
    hooks.warn("no tuned plans: this is an ONNX model, whose gradients are not known; compare a GGUF file of it");
    return [];
  }
  const families = familiesOf(methods, candidates, model.shape.layers);
  const evaluator = lazily(() => model.evaluator(samples.calibration));
  const { bits: levels, context, seed } = options;
  const parts = { model, gradients, samples: samples.calibration, evaluator, families, levels, context, seed };
  const plans = await thenDispose(() => tunedPlans({ ...parts, storage, callbacks: hooks }), evaluator.dispose);
  const chosen: Chosen[] = [];
  for (const { plan, levels: own } of mergedLevels(plans)) {
    const { family, level, layers, assets = [] } = plan;
    const { title } = families.find(({ name }) => name === family)!;
    const files = tunedPlanRecords(family, level);
    const { identity, shape } = model;
    await writePlan(
      storage,
      { version: 2, model: identity, shape, layers, ...(assets.length > 0 && { assets }) },
      files,
    );
    const names = { method: `${TUNED}-${family}`, title, label: `at most ${level} bits` };
    chosen.push({ ...candidate(names, plan, sizes), levels: own, file: files.plan });
  }
  return chosen;
};

/** One plan may be the best within several levels. */
const mergedLevels = (plans: readonly TunedPlan[]): { plan: TunedPlan; levels: number[] }[] => {
  const merged = new Map<string, { plan: TunedPlan; levels: number[] }>();
  for (const plan of plans) {
    const key = JSON.stringify([plan.family, plan.layers]);
    const known = merged.get(key);
    if (known === undefined) merged.set(key, { plan, levels: [plan.level] });
    else known.levels.push(plan.level);
  }
  return [...merged.values()];
};

/** Methods that the KVTuner paper tunes by themselves. */
const PAPER_FAMILIES: readonly string[] = ["kivi", "per-token"];

/** What plans are tuned over: the paper's methods one by one, and the keys and values of all methods. */
const familiesOf = (
  methods: readonly Method[],
  candidates: readonly Candidate[],
  layers: number,
): (Family & { readonly title: string })[] => {
  const familyOf = (own: readonly Candidate[]): Pick<Family, "choices" | "assets"> => ({
    choices: own.map((one) => choiceOf(`${one.method}:${one.label}`, one)),
    assets: own.flatMap(({ assets = [] }) => assets),
  });
  const alone = methods
    .filter(({ name }) => PAPER_FAMILIES.includes(name))
    .map(({ name, title }) => ({
      name,
      title: `KVTuner over ${title}`,
      ...familyOf(candidates.filter(({ method }) => method === name)),
    }));
  const { choices, assets } = familyOf(candidates);
  const all = { name: "all", title: "KVTuner over everything", choices: crossed(choices, layers), assets };
  return [...(methods.length > 1 ? alone : []), all].filter((family) => family.choices.length > 0);
};
