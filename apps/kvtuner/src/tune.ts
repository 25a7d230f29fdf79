import { join } from "node:path";
import type { Backend, CachePlan } from "@kvtuner/backend";
import { assertHeadFits } from "@kvtuner/plan";
import {
  assertAnswered,
  assertOwnTextIsSampled,
  assertReachable,
  backendVerifier,
  focusOf,
  lazily,
  longestSequence,
  openStudy,
  openTask,
  OptionError,
  runContext,
  runStudy,
  searchSpace,
  stopwatch,
  studyOptions,
  studySettings,
  taskSamples,
  textSamples,
  unquantizedWarning,
  writeRequest,
  type AskedTask,
  type FrontPlan,
  type Limit,
  type OpenTask,
  type ReadTask,
  type RunContext,
  type SearchSpace,
  type Stopwatch,
  type Study,
  type StudyOptions,
  type StudyRequest,
  type StudyResult,
  type StudyRun,
  type TunableModel,
  type Verification,
} from "@kvtuner/tuning";
import { cachedOwnText } from "./calibration/cached-own-text.ts";
import { defaultText } from "./calibration/default-text.ts";
import { readText } from "./calibration/text.ts";
import { openBackend } from "./model/backend.ts";
import { openModel } from "./model/open.ts";
import { isModelName } from "./model/resolve.ts";
import type { TuneOptions } from "./options.ts";
import { writeReport } from "./report.ts";
import { folderStorage, holdsStudy, prepareFolder } from "./study/folder-storage.ts";
import { removeEmptyFolders } from "./study/make-folder.ts";
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
  /** Over (log10 KL, equivalent bits), reference point (0, 8). */
  readonly hypervolume: number;
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
  const study = studyOptions(options, options.task !== undefined);
  const limit = options.limit ?? { kind: "knee" };
  const verifyOn = verifyBackend(options);
  if (options.task === undefined) assertNoTaskOptions(options);
  const textPath = options.text ?? (options.task === undefined ? defaultText(options.model, "calibration") : undefined);
  const text = textPath === undefined ? undefined : readText(textPath);
  const task = options.task === undefined ? undefined : readTask({ ...options, task: options.task });
  if (text === undefined && task === undefined) assertOwnTextIsSampled(study);
  const made = options.out === undefined ? [] : prepareFolder(options.out);
  try {
    const named = typeof options.model === "string" ? options.model : undefined;
    const request = { model: named, study, limit, text, textPath: options.text, task, verifyOn };
    return await openAndTune(options, request, clock);
  } catch (error) {
    removeEmptyFolders(made);
    throw error;
  }
};

/**
 * Backend that `verify` runs on; undefined without it.
 *
 * @throws OptionError for a backend that nothing would run on.
 */
const verifyBackend = ({ verify, backend }: TuneOptions): string | Backend | undefined => {
  if (verify === true) return backend ?? "cpu";
  if (backend === undefined) return undefined;
  const got = `${typeof backend === "string" ? backend : backend.name} alone`;
  throw new OptionError("backend", "given with --verify, which runs the plan on it", got);
};

const openAndTune = async (
  options: TuneOptions,
  request: Omit<Request, "out">,
  clock: Stopwatch,
): Promise<TuneResult> => {
  const context = runContext(options);
  const model = await clock.time("load", async () =>
    typeof options.model === "string" ? openModel(options.model, context) : options.model,
  );
  const out = options.out ?? defaultFolder(options.model, model, request.study);
  try {
    return await tuneModel(model, { ...request, out }, context, clock);
  } finally {
    if (typeof options.model === "string") await model.dispose();
  }
};

interface Request {
  /** As it was named, of a model that was. */
  readonly model: string | undefined;
  readonly study: StudyOptions;
  readonly limit: Limit;
  readonly text: string | undefined;
  /** Path of that text. */
  readonly textPath: string | undefined;
  readonly task: ReadTask | undefined;
  /** The backend that the picked plan is run on, or its name. */
  readonly verifyOn: string | Backend | undefined;
  readonly out: string;
}

const tuneModel = async (
  model: TunableModel,
  request: Request,
  context: RunContext,
  clock: Stopwatch,
): Promise<TuneResult> => {
  const { limit, text, verifyOn, out } = request;
  const space = searchSpace(model.shape, request.study);
  for (const scheme of space.schemes) assertHeadFits(scheme, model.shape.headSize);
  assertReachable(limit, space);
  const focus = focusOf(limit, space);
  // Before the folder takes on these settings: a text or a task that does not do must not leave a study behind.
  const task = request.task && askedTask(openTask(model, request.task, context.warn));
  const samples = givenSamples(model, request, task);
  const study = task && samples ? { ...request.study, ...sizesOf(samples) } : request.study;
  const warning = task
    ? unquantizedWarning(space.schemes, longestSequence(task), "prompts")
    : unquantizedWarning(space.schemes, study.sampleLength);
  if (warning !== undefined) context.warn(warning);
  // Samples are short: threads would not make their tokens faster.
  const opened = verifyOn === undefined ? undefined : await openBackend(verifyOn, { threads: 1 }, anyCaches(space));
  try {
    const verifier = opened && backendVerifier(opened.backend, space);
    if (task && !holdsStudy(out)) await floatStep(task, study, context, clock);
    const settings = await studySettings(model, study, space, text, focus, task?.settings);
    const ownSamples = (): Promise<Int32Array[]> => cachedOwnText(model, study, context);
    const parts = {
      model,
      study,
      space,
      limit,
      textSamples: samples,
      ownSamples,
      task,
      focus,
      context,
      clock,
      verifier,
    };
    const records = await openStudy(folderStorage(out), settings, context.warn);
    const result = await runInFolder(parts, records, request);
    return { ...result, out, timeMs: clock.timeMs() };
  } finally {
    await task?.asker.dispose();
    await opened?.dispose();
  }
};

/** Caches of every scheme that the search may pick: a backend is chosen, or refused, before anything is measured. */
const anyCaches = ({ shape, schemes }: SearchSpace): CachePlan[] =>
  schemes.map((scheme) => ({ shape, layers: Array.from({ length: shape.layers }, () => scheme) }));

const askedTask = (task: OpenTask): AskedTask => ({
  ...task,
  asker: lazily(() => task.support.evaluator(task.prompts, task.settings)),
});

/** Before there is a study: a task that the model cannot do must not leave one behind either. */
const floatStep = (
  task: AskedTask,
  { objective }: StudyOptions,
  context: RunContext,
  clock: Stopwatch,
): Promise<void> => clock.time("float", async () => assertAnswered(task, await task.asker.get(), objective, context));

const runInFolder = async (
  parts: Omit<StudyRun, "records">,
  records: Study,
  request: Request,
): Promise<StudyResult> => {
  try {
    const result = await runStudy({ ...parts, records });
    await parts.clock.time("report", async () => reportStep(request, records));
    return result;
  } finally {
    await records.close();
  }
};

/** What was asked for, for the report, and the report. */
const reportStep = async ({ model, textPath, task, limit, out }: Request, { storage }: Study): Promise<void> => {
  const names = { ...(model !== undefined && { model }), ...(textPath !== undefined && { text: textPath }) };
  await writeRequest(storage, { version: 1, ...names, ...(task && askedFor(task)), out, limit });
  await writeReport(out);
};

const askedFor = ({ files, request: { prompts }, shotsFrom }: ReadTask): Partial<StudyRequest> => ({
  task: files.map(({ path }) => path),
  ...(prompts !== undefined && { prompts }),
  ...(shotsFrom && { shotsFrom: shotsFrom.path }),
});

/** Samples of the calibration text, or of the task's prompts where there is none. */
const givenSamples = (
  model: TunableModel,
  { text, study }: Request,
  task: OpenTask | undefined,
): Int32Array[] | undefined => {
  if (text !== undefined) return textSamples(model, text, study);
  return task && taskSamples(task, study.samples);
};

const sizesOf = (samples: readonly Int32Array[]): { samples: number; sampleLength: number } => ({
  samples: samples.length,
  sampleLength: samples[0]?.length ?? 0,
});

const defaultFolder = (named: string | TunableModel, model: TunableModel, study: StudyOptions): string => {
  const name = typeof named === "string" && isModelName(named) ? named : model.identity.name;
  return join("studies", `${name.toLowerCase().replace(/[^a-z0-9.]+/g, "-")}-${study.mode}`);
};
