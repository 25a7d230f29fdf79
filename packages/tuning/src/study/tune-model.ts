import type { Backend, CachePlan } from "@kvtuner/backend";
import { assertHeadFits, layerShape } from "@kvtuner/plan";
import { ownText, type OwnText } from "../calibration/own-text.ts";
import { heldOutSamples, textSamples, type SampleOptions, type TuningSamples } from "../calibration/samples.ts";
import { difficultyWarning } from "../difficulty/difficulty-warning.ts";
import { modelDifficulty } from "../difficulty/model-difficulty.ts";
import { assertReachable, focusOf, limitsOtherCost, type Limit } from "../limits/limits.ts";
import { OptionError } from "../option-values.ts";
import { backendVerifier, cachesOf, type Verifier } from "../pipeline/verify.ts";
import type { Callbacks } from "../progress.ts";
import { mixedSpace } from "../space/mixed-space.ts";
import { schemeAt, type SearchSpace } from "../space/space.ts";
import { warnUnquantized } from "../space/unquantized.ts";
import { stopwatch, type Stopwatch } from "../stopwatch.ts";
import type { StudyStorage } from "../storage/storage.ts";
import { assertAnswered } from "../tasks/float-answers.ts";
import { longestSequence, openTask, taskSamples, type OpenTask, type ReadTask } from "../tasks/open-task.ts";
import { thenDispose } from "../then-dispose.ts";
import type { TunableModel } from "../tunable-model.ts";
import { chooseMeasure, type ChosenMeasure } from "./choose-measure.ts";
import { isFitted, searchedCodecs, type SearchedSetting } from "./codecs.ts";
import { codingsStep } from "./codings.ts";
import type { StudyOptions } from "./options.ts";
import { writeRequest, type StudyRequest } from "./request.ts";
import { calibrationStep, runStudy, type StudyResult, type StudyRun } from "./run-study.ts";
import { readSettings, studySettings } from "./settings.ts";
import { assertPairsStored, assertRuns, storableSettings, type Target } from "./storable.ts";
import { openStudy, STUDY_FILES, type Study } from "./study.ts";

/** What a model is tuned for, and on what. */
export interface Tuning {
  readonly study: StudyOptions;
  /** What the picked plan keeps to. */
  readonly limit: Limit;
  /** Calibration text; by default the task's prompts or, without a task, the model's own text. */
  readonly text?: string | undefined;
  /** Task files; without them plans are scored on text. */
  readonly task?: ReadTask | undefined;
  /**
   * Backends, the first of which has to store the plan: settings of methods that it cannot store are left out, and errors name one
   * of the others that can. Without any, all settings are searched.
   */
  readonly targets?: readonly Target[];
  /** Searches the whole front instead of near the limit: an interrupted study can then be resumed with another limit. */
  readonly anyLimit?: boolean;
  /** The model and the path of the text as users named them, for the report. */
  readonly names?: Pick<StudyRequest, "model" | "text">;
}

interface BackendInUse {
  readonly backend: Backend;
  /** Called after the run. */
  dispose(): Promise<void>;
}

/** What the caller of {@link tuneModel} does itself. */
export interface TuningHooks extends Callbacks {
  /** Samples the model's own text; {@link ownText} by default. */
  readonly ownText?: OwnText;
  /** Opens the backend that the picked plan is verified on; it must store each of these caches. */
  readonly openBackend?: (caches: readonly CachePlan[]) => Promise<BackendInUse>;
  /** Runs last, while no other run can work on the study. */
  readonly report?: () => Promise<unknown>;
  readonly clock?: Stopwatch;
}

/**
 * Tunes an opened model: opens the study in a storage, or resumes it, and does the steps that it lacks. Text, task and
 * backend are checked before the study is opened.
 *
 * @throws KvtunerError for a text, task, limit or backend that does not fit, and for a study with other settings
 * @throws the signal's reason when aborted
 */
export const tuneModel = async (
  model: TunableModel,
  tuning: Tuning,
  storage: StudyStorage,
  hooks: TuningHooks,
): Promise<StudyResult> => {
  const prepared = await prepare(model, tuning, hooks);
  const { task } = prepared;
  const { measure, fallsBack, note } = await chosenFor(model, prepared, storage);
  if (note !== undefined) hooks.warn(note);
  const study = { ...prepared.study, measure };
  await warnDifficult(model, study, hooks);
  const backend = backendOf(hooks);
  const work = async (): Promise<StudyResult> => {
    const { clock = stopwatch() } = hooks;
    const searched = prepared.space && { space: prepared.space, verifier: await backend.verifier(prepared.space) };
    if (task && !(await holdsStudy(storage))) await floatStep(task, study, hooks, clock);
    const run = { ...prepared, study, fallsBack, model, clock, callbacks: hooks };
    return runIn(storage, run, tuning, hooks, async (records, { samples, fitted = samples }) => {
      if (searched) return { ...searched, records };
      const mixed = await mixedStudy(run, tuning, records, fitted);
      return { ...mixed, verifier: await backend.verifier(mixed.space) };
    });
  };
  return thenDispose(
    work,
    () => task?.evaluator.dispose(),
    () => backend.dispose(),
  );
};

/** The backend that plans are verified on, opened once the space is known. */
const backendOf = ({ openBackend }: TuningHooks) => {
  let opened: BackendInUse | undefined;
  return {
    verifier: async (space: SearchSpace): Promise<Verifier | undefined> => {
      opened = await openBackend?.(cachesOf(space));
      return opened && backendVerifier(opened.backend, space);
    },
    dispose: async (): Promise<void> => opened?.dispose(),
  };
};

/** Tells users before the work starts, while another mode costs nothing. */
const warnDifficult = async (model: TunableModel, { mode }: StudyOptions, { warn }: Callbacks): Promise<void> => {
  const distributions = await model.distributions?.();
  const warning = distributions && difficultyWarning(modelDifficulty(model.shape, distributions), mode);
  if (warning !== undefined) warn(warning);
};

/** A run whose measure is not chosen yet. */
interface Prepared extends Pick<StudyRun, "limit" | "focus" | "textSamples" | "task"> {
  readonly study: StudyOptions;
  /** What is searched; undefined if it depends on the calibration of settings of methods. */
  readonly space: SearchSpace | undefined;
  /** Settings of methods to search. */
  readonly settings: readonly SearchedSetting[];
}

/** Checks options, text and task, and turns text and task into the model's tokens. */
const prepare = async (model: TunableModel, tuning: Tuning, hooks: TuningHooks): Promise<Prepared> => {
  const { limit, targets = [] } = tuning;
  const { shape } = model;
  const { modes, settings } = searchedCodecs(tuning.study.codecs ?? []);
  for (const target of targets.slice(0, 1)) assertRuns(target, shape);
  const pairs = mixedSpace(shape, modes, [], tuning.study);
  if (settings.length === 0) assertSearchable(pairs, limit);
  if (modes.length > 0 || settings.length === 0) assertPairsStored(pairs, targets);
  const stored = settings.length > 0 ? storableSettings(settings, shape, tuning.study.codecs ?? [], targets) : settings;
  const task = tuning.task && openTask(model, tuning.task, hooks.warn);
  const samples = await givenSamples(model, tuning, task, isFitted(stored));
  const study = task && samples ? { ...tuning.study, ...sizesOf(samples.samples) } : tuning.study;
  const focus = tuning.anyLimit === true ? undefined : focusOf(limit, pairs);
  const common = { study, limit, focus, textSamples: samples, task, settings: stored };
  if (settings.length > 0) return { ...common, space: undefined };
  warnOfSpace(pairs, common, hooks);
  return { ...common, space: pairs };
};

/** Checks the space against the model's heads and the limit. */
const assertSearchable = (space: SearchSpace, limit: Limit): void => {
  assertHeadsFit(space);
  assertReachable(limit, space);
};

/** Warns of what a search of the space cannot show. */
const warnOfSpace = (
  space: SearchSpace,
  { study, limit, task }: Pick<Prepared, "study" | "limit" | "task">,
  hooks: Callbacks,
): void => {
  const schemes = space.choices.map(({ scheme }) => scheme);
  if (task) warnUnquantized(schemes, longestSequence(task), "prompts", hooks);
  else warnUnquantized(schemes, study.sampleLength, "samples", hooks);
  if (limitsOtherCost(limit, space)) hooks.warn(OTHER_COST);
};

/** The study with the settings of methods in its space. */
const mixedStudy = async (
  run: Omit<StudyRun, "records" | "samples" | "space" | "verifier"> & Pick<Prepared, "settings">,
  { targets: [target] = [] }: Tuning,
  records: Study,
  samples: readonly Int32Array[],
): Promise<Pick<StudyRun, "space" | "records">> => {
  const { model, study, settings, callbacks } = run;
  const { context, seed } = study;
  const codings = await codingsStep({ model, context, seed, callbacks, records, samples, settings, target });
  const { modes } = searchedCodecs(study.codecs ?? []);
  if (codings.length === 0 && modes.length === 0)
    throw new OptionError(
      "codecs",
      "something that fits the model (see the warnings)",
      (study.codecs ?? []).join(", "),
    );
  const space = mixedSpace(model.shape, modes, codings, study);
  assertSearchable(space, run.limit);
  warnOfSpace(space, run, callbacks);
  return { space, records: records.withCodings(codings) };
};

const OTHER_COST =
  "expected --cost equivalent for a limit of equivalent bits in a model whose layers take different bytes, got true; the search minimizes bytes, and its plans are worse by the limit's measure";

const chosenFor = async (
  model: TunableModel,
  { space, study }: Prepared,
  storage: StudyStorage,
): Promise<ChosenMeasure> => {
  const stored = (await readSettings(storage))?.measure;
  return chooseMeasure({ model, space, tokens: study.sampleLength, given: study.measure, stored });
};

/** What a run searches, and the study's records in it. */
type Searched = Pick<StudyRun, "space" | "records" | "verifier">;

const runIn = async (
  storage: StudyStorage,
  run: Omit<StudyRun, "records" | "samples" | "space" | "verifier"> & Pick<Prepared, "settings">,
  tuning: Tuning,
  hooks: TuningHooks,
  search: (records: Study, samples: TuningSamples) => Promise<Searched>,
): Promise<StudyResult> => {
  const { model, study, focus, task, clock, limit } = run;
  const settings = await studySettings(model, study, tuning.text, focus, task?.settings);
  const opened = await openStudy(storage, settings, hooks.warn);
  const work = async (): Promise<StudyResult> => {
    const own = async (sizes: SampleOptions): Promise<Int32Array[]> =>
      (hooks.ownText ?? ownText)(model, { ...study, ...sizes }, hooks);
    const ownSamples = async (): Promise<TuningSamples> =>
      isFitted(run.settings) ? heldOutSamples(study, own) : { samples: await own(study) };
    const samples = await calibrationStep({ ...run, records: opened, ownSamples });
    const searched = await clock.time("codecs", async () => search(opened, samples));
    const result = await runStudy({ ...run, ...searched, samples: samples.samples });
    await clock.time("report", async () => {
      await writeRequest(storage, {
        version: 1,
        ...tuning.names,
        ...taskRequest(tuning),
        out: storage.location,
        limit,
      });
      await hooks.report?.();
    });
    return result;
  };
  return thenDispose(work, () => opened.close());
};

const assertHeadsFit = ({ shape, choices }: SearchSpace): void => {
  for (let layer = 0; layer < shape.layers; layer++)
    for (const choice of choices) assertHeadFits(schemeAt(choice, layer), layerShape(shape, layer));
};

/** Samples of the calibration text or, without one, of the task's prompts. */
const givenSamples = async (
  model: TunableModel,
  { text, study }: Tuning,
  task: OpenTask | undefined,
  fits: boolean,
): Promise<TuningSamples | undefined> => {
  const cut = (given: string, sizes: SampleOptions): Int32Array[] => textSamples(model, given, sizes);
  if (text !== undefined && fits && !task) return heldOutSamples(study, (sizes) => cut(text, sizes));
  if (text !== undefined) return { samples: cut(text, study) };
  return task && { samples: taskSamples(task, study.samples) };
};

const sizesOf = (samples: readonly Int32Array[]): Pick<StudyOptions, "samples" | "sampleLength"> => ({
  samples: samples.length,
  sampleLength: samples[0]?.length ?? 0,
});

const holdsStudy = async (storage: StudyStorage): Promise<boolean> =>
  (await storage.list()).includes(STUDY_FILES.settings);

/** Runs before the study is opened: a task that the model cannot do must not create one. */
const floatStep = (
  task: OpenTask,
  { objective }: StudyOptions,
  callbacks: Callbacks,
  clock: Stopwatch,
): Promise<void> =>
  clock.time("float", async () => assertAnswered(task, await task.evaluator.get(), objective, callbacks));

const taskRequest = ({ task }: Tuning): Pick<StudyRequest, "task" | "prompts" | "shotsFrom"> => {
  if (task === undefined) return {};
  const { files, request, shotsFrom } = task;
  return {
    task: files.map(({ path }) => path),
    ...(request.prompts !== undefined && { prompts: request.prompts }),
    ...(shotsFrom && { shotsFrom: shotsFrom.path }),
  };
};
