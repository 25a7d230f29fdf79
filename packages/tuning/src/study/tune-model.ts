import type { Backend, CachePlan } from "@kvtuner/backend";
import { assertHeadFits, layerShape } from "@kvtuner/plan";
import { ownText, type OwnText } from "../calibration/own-text.ts";
import { textSamples } from "../calibration/samples.ts";
import { difficultyWarning } from "../difficulty/difficulty-warning.ts";
import { modelDifficulty } from "../difficulty/model-difficulty.ts";
import { assertReachable, focusOf, limitsOtherCost, type Limit } from "../limits/limits.ts";
import { backendVerifier, cachesOf } from "../pipeline/verify.ts";
import type { Callbacks } from "../progress.ts";
import { searchSpace, type SearchSpace } from "../space/space.ts";
import { warnUnquantized } from "../space/unquantized.ts";
import { stopwatch, type Stopwatch } from "../stopwatch.ts";
import type { StudyStorage } from "../storage/storage.ts";
import { assertAnswered } from "../tasks/float-answers.ts";
import { longestSequence, openTask, taskSamples, type OpenTask, type ReadTask } from "../tasks/open-task.ts";
import { thenDispose } from "../then-dispose.ts";
import type { TunableModel } from "../tunable-model.ts";
import { chooseMeasure, type ChosenMeasure } from "./choose-measure.ts";
import type { StudyOptions } from "./options.ts";
import { writeRequest, type StudyRequest } from "./request.ts";
import { runStudy, type StudyResult, type StudyRun } from "./run-study.ts";
import { readSettings, studySettings } from "./settings.ts";
import { openStudy, STUDY_FILES } from "./study.ts";

/** What a model is tuned for, and on what. */
export interface Tuning {
  readonly study: StudyOptions;
  /** What the picked plan keeps to. */
  readonly limit: Limit;
  /** Calibration text; by default the task's prompts or, without a task, the model's own text. */
  readonly text?: string | undefined;
  /** Task files; without them plans are scored on text. */
  readonly task?: ReadTask | undefined;
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
  const prepared = prepare(model, tuning, hooks);
  const { space, task } = prepared;
  const { measure, fallsBack, note } = await chosenFor(model, prepared, storage);
  if (note !== undefined) hooks.warn(note);
  const study = { ...prepared.study, measure };
  await warnDifficult(model, study, hooks);
  const opened = await hooks.openBackend?.(cachesOf(space));
  const work = async (): Promise<StudyResult> => {
    const { clock = stopwatch() } = hooks;
    const verifier = opened && backendVerifier(opened.backend, space);
    if (task && !(await holdsStudy(storage))) await floatStep(task, study, hooks, clock);
    return runIn(storage, { ...prepared, study, fallsBack, model, verifier, clock, callbacks: hooks }, tuning, hooks);
  };
  return thenDispose(
    work,
    () => task?.evaluator.dispose(),
    () => opened?.dispose(),
  );
};

/** Tells users before the work starts, while another mode costs nothing. */
const warnDifficult = async (model: TunableModel, { mode }: StudyOptions, { warn }: Callbacks): Promise<void> => {
  const distributions = await model.distributions?.();
  const warning = distributions && difficultyWarning(modelDifficulty(model.shape, distributions), mode);
  if (warning !== undefined) warn(warning);
};

/** A run whose measure is not chosen yet. */
interface Prepared extends Pick<StudyRun, "space" | "limit" | "focus" | "textSamples" | "task"> {
  readonly study: StudyOptions;
}

/** Checks options, text and task, and turns text and task into the model's tokens. */
const prepare = (model: TunableModel, tuning: Tuning, hooks: TuningHooks): Prepared => {
  const { limit } = tuning;
  const space = searchSpace(model.shape, tuning.study);
  assertHeadsFit(space);
  assertReachable(limit, space);
  const task = tuning.task && openTask(model, tuning.task, hooks.warn);
  const samples = givenSamples(model, tuning, task);
  const study = task && samples ? { ...tuning.study, ...sizesOf(samples) } : tuning.study;
  const schemes = space.choices.map(({ scheme }) => scheme);
  if (task) warnUnquantized(schemes, longestSequence(task), "prompts", hooks);
  else warnUnquantized(schemes, study.sampleLength, "samples", hooks);
  if (limitsOtherCost(limit, space)) hooks.warn(OTHER_COST);
  const focus = tuning.anyLimit === true ? undefined : focusOf(limit, space);
  return { study, space, limit, focus, textSamples: samples, task };
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

const runIn = async (
  storage: StudyStorage,
  run: Omit<StudyRun, "records" | "ownSamples">,
  tuning: Tuning,
  hooks: TuningHooks,
): Promise<StudyResult> => {
  const { model, study, space, focus, task, clock, limit } = run;
  const settings = await studySettings(model, study, space, tuning.text, focus, task?.settings);
  const records = await openStudy(storage, settings, hooks.warn);
  const work = async (): Promise<StudyResult> => {
    const ownSamples = async (): Promise<Int32Array[]> => (hooks.ownText ?? ownText)(model, study, hooks);
    const result = await runStudy({ ...run, ownSamples, records });
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
  return thenDispose(work, () => records.close());
};

const assertHeadsFit = ({ shape, choices }: SearchSpace): void => {
  for (let layer = 0; layer < shape.layers; layer++)
    for (const { scheme } of choices) assertHeadFits(scheme, layerShape(shape, layer));
};

/** Samples of the calibration text or, without one, of the task's prompts. */
const givenSamples = (
  model: TunableModel,
  { text, study }: Tuning,
  task: OpenTask | undefined,
): Int32Array[] | undefined => {
  if (text !== undefined) return textSamples(model, text, study);
  return task && taskSamples(task, study.samples);
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
