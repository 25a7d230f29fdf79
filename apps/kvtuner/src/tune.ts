import { join } from "node:path";
import type { Backend } from "@kvtuner/backend";
import type { CacheShape, ModelIdentity } from "@kvtuner/plan";
import {
  assertOwnTextIsSampled,
  fillOptions,
  OptionError,
  callbacksOf,
  readSettings,
  isFitted,
  searchedCodecs,
  stopwatch,
  thenDispose,
  studyOptions,
  tuneModel,
  type FrontPlan,
  type PassCounts,
  type Stopwatch,
  type StudyStorage,
  type TunableModel,
  type Tuning,
  type TuningHooks,
  type Verification,
} from "@kvtuner/tuning";
import { cachedOwnText } from "./calibration/cached-own-text.ts";
import { defaultText } from "./calibration/default-text.ts";
import { readText } from "./calibration/text.ts";
import { folderName } from "./folder-name.ts";
import { AUTO, BACKEND_NAMES, openBackend, openTargets } from "./model/backend.ts";
import { type GradientSamples, openModel } from "./model/open.ts";
import { TUNE_OPTIONS, type TuneOptions } from "./options.ts";
import { writeReport } from "./report.ts";
import { folderStorage } from "./study/folder-storage.ts";
import { inFolder } from "./study/in-folder.ts";
import { assertNoTaskOptions, readTask } from "./tasks/read-task.ts";

/** Result of `tune`. */
export interface TuneResult {
  /** Non-dominated plans, cheapest first. */
  readonly front: readonly FrontPlan[];
  /** The plan that was written to `plan.json`. */
  readonly picked: FrontPlan;
  /** The picked plan as a backend runs it, with `verify`. */
  readonly verified?: Verification;
  /** Plans evaluated in this study so far. */
  readonly evaluations: number;
  /** Forward passes over the text that the profile and the search of this study took so far. */
  readonly passes: PassCounts;
  /** Over (log10 KL, equivalent bits), reference point (0, 8). */
  readonly hypervolume: number;
  /** Sizes of the layers with a cache, and which of the model's layers they are. */
  readonly shape: CacheShape;
  /** Study folder. */
  readonly out: string;
  /** Milliseconds this run spent in each step; a resumed run does not spend again what is in the folder. */
  readonly timeMs: Readonly<Record<string, number>>;
}

/**
 * Finds, for one model, how many bits each layer should spend on keys and values, and writes what it measured into a
 * study folder. Run again with the same options, it resumes.
 *
 * @throws KvtunerError for bad options, texts, models and folders; the signal's reason when aborted.
 */
export const tune = async (options: TuneOptions): Promise<TuneResult> => {
  const clock = stopwatch();
  const verifyOn = verifyBackend(options);
  const tuning = tuningOf(options);
  const work = (): Promise<TuneResult> => openAndTune(options, tuning, verifyOn, clock);
  return options.out === undefined ? work() : inFolder(options.out, work);
};

/** Reads text and task, and checks options, before a model is opened. */
const tuningOf = (options: TuneOptions): Tuning => {
  const { model, limit = { kind: "knee" } } = options;
  const target = targetOf(options);
  const study = { ...studyOptions(options, options.task !== undefined), ...targetName(target) };
  if (options.task === undefined) assertNoTaskOptions(options);
  const textPath = options.text ?? (options.task === undefined ? defaultText(model, "calibration") : undefined);
  const text = textPath === undefined ? undefined : readText(textPath);
  const task = options.task === undefined ? undefined : readTask({ ...options, task: options.task });
  if (text === undefined && task === undefined) assertOwnTextIsSampled({ ...study, samples: samplesOf(study) });
  const names = {
    ...(typeof model === "string" && { model }),
    ...(options.text !== undefined && { text: options.text }),
  };
  return { study, limit, text, task, names };
};

/** Samples of text that a study reads: as many again where tables are fitted. */
const samplesOf = ({ samples, codecs = [] }: Tuning["study"]): number =>
  isFitted(searchedCodecs(codecs).settings) ? 2 * samples : samples;

/** The backend that has to store the plan: a study of pairs alone takes any, unless one is named. */
const targetOf = ({
  for: named,
  verify,
  backend,
  codecs = [],
}: Omit<TuneOptions, "model">): string | Backend | undefined => {
  if (named !== undefined) return fillOptions({ for: TUNE_OPTIONS.for }, { for: named }).for;
  if (searchedCodecs(codecs).settings.length === 0) return undefined;
  return verify === true && backend !== undefined && backend !== AUTO ? backend : DEFAULT_TARGET;
};

const targetName = (target: string | Backend | undefined): { readonly for?: string } =>
  target === undefined ? {} : { for: typeof target === "string" ? target : target.name };

/**
 * Backend that `verify` runs on; undefined without it.
 *
 * @throws OptionError for a backend that nothing would run on.
 */
const verifyBackend = ({ verify, backend }: TuneOptions): string | Backend | undefined => {
  if (verify === true) return backend ?? DEFAULT_TARGET;
  if (backend === undefined) return undefined;
  const got = `${typeof backend === "string" ? backend : backend.name} alone`;
  throw new OptionError("backend", "given with --verify, which runs the plan on it", got);
};

const DEFAULT_TARGET = BACKEND_NAMES[0]!;

const openAndTune = async (
  { model: named, ...options }: TuneOptions,
  tuning: Tuning,
  verifyOn: string | Backend | undefined,
  clock: Stopwatch,
): Promise<TuneResult> => {
  const callbacks = callbacksOf(options);
  const access = { ...callbacks, offline: options.offline === true };
  const { context, sampleLength } = tuning.study;
  const outOf = (identity: ModelIdentity): string => options.out ?? defaultFolder(named, identity, tuning);
  const intended = {
    contextLength: Math.max(context, sampleLength),
    gradients: (identity: ModelIdentity) => gradientSamples(tuning, folderStorage(outOf(identity))),
  };
  const model = await clock.time("load", async () =>
    typeof named === "string" ? openModel(named, access, intended) : named,
  );
  const out = outOf(model.identity);
  const target = targetOf(options);
  const work = async (): Promise<TuneResult> => {
    const hooks: TuningHooks = {
      ...callbacks,
      clock,
      ownText: cachedOwnText,
      // Samples are short: threads would not make their tokens faster.
      ...(verifyOn !== undefined && { openBackend: (caches) => openBackend(verifyOn, { threads: 1 }, caches) }),
      report: () => writeReport(out),
    };
    const result = await inFolder(out, async () => {
      const targets = target === undefined ? [] : await openTargets(target);
      return tuneModel(model, { ...pinned(tuning, model), targets }, folderStorage(out), hooks);
    });
    return { ...result, shape: model.shape, out, timeMs: clock.timeMs() };
  };
  return typeof named === "string" ? thenDispose(work, () => model.dispose()) : work();
};

/**
 * Samples whose gradients the study needs, for the check of memory before the work. With a task, gradients are of its first prompts,
 * whatever --samples says. Their tokens are not known before the model is open, so they are left out.
 */
const gradientSamples = async (
  { study, task }: Tuning,
  storage: StudyStorage,
): Promise<GradientSamples | undefined> => {
  if (task !== undefined) return undefined;
  const measure = study.measure ?? (await readSettings(storage))?.measure ?? "gradient";
  const { samples, sampleLength } = study;
  return measure === "gradient" ? { samples, sampleLength } : undefined;
};

/** The report's command names the commit of a model of the hub. */
const pinned = ({ names, ...tuning }: Tuning, { identity: { source } }: TunableModel): Tuning => ({
  ...tuning,
  names: { ...names, ...(source !== undefined && { model: source }) },
});

const defaultFolder = (named: string | TunableModel, identity: ModelIdentity, { study }: Tuning): string =>
  join(
    "studies",
    `${folderName(named, identity)}-${(study.codecs?.join("-") ?? study.mode).replaceAll(/[^A-Za-z0-9_.-]/g, "-")}`,
  );
