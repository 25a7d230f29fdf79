import type { Evaluator } from "@kvtuner/evaluation";
import { KvtunerError } from "@kvtuner/plan";
import type { Measure } from "@kvtuner/sensitivity";
import type { TuningSamples } from "../calibration/samples.ts";
import { lazily, type Lazy } from "../lazily.ts";
import { isBound, limitsCost, type Limit } from "../limits/limits.ts";
import { evaluationEntrySchema } from "../pipeline/evaluation-entry.ts";
import { countPasses, type PassCounts } from "../pipeline/forward-passes.ts";
import { gradientProfileStep } from "../pipeline/gradient/gradient-profile.ts";
import { groupStep } from "../pipeline/group.ts";
import type { Measurer } from "../pipeline/measurer.ts";
import { evaluateBest, evaluateWithin } from "../pipeline/near-limit.ts";
import { makeFront, pickedFrom, pickPlan, type Front, type FrontPlan } from "../pipeline/pick.ts";
import { profileEntrySchema } from "../pipeline/profile-entry.ts";
import {
  isEstimated,
  lossTable,
  PROFILE_PROMPTS,
  profileStep,
  taskLosses,
  textLosses,
  type StoredProfile,
} from "../pipeline/profile.ts";
import { pruneStep } from "../pipeline/prune.ts";
import { runSearch, type SearchInputs } from "../pipeline/search.ts";
import { taskEntrySchema } from "../pipeline/task-entry.ts";
import { taskMeasurer } from "../pipeline/task-measurer.ts";
import { textMeasurer } from "../pipeline/text-measurer.ts";
import type { Verification, Verifier } from "../pipeline/verify.ts";
import type { Callbacks } from "../progress.ts";
import type { SearchSpace } from "../space/space.ts";
import type { Stopwatch } from "../stopwatch.ts";
import { answerTexts, type OpenTask } from "../tasks/open-task.ts";
import { thenDispose } from "../then-dispose.ts";
import type { TunableModel } from "../tunable-model.ts";
import type { MeasuredStudy } from "./options.ts";
import { pickedPlan, writePlan } from "./plan-file.ts";
import type { Study } from "./study.ts";

/** Input of one run of a study. */
export interface StudyRun {
  readonly model: TunableModel;
  readonly study: MeasuredStudy;
  /** Whether layers are measured where gradients turn out to be unknown. */
  readonly fallsBack: boolean;
  readonly space: SearchSpace;
  readonly limit: Limit;
  /** Samples of the calibration text; undefined for the model's own. */
  readonly textSamples: TuningSamples | undefined;
  /** Samples to tune on. */
  readonly samples: readonly Int32Array[];
  /** The task; undefined if plans are scored on text. */
  readonly task: OpenTask | undefined;
  /** Bytes near which to search. */
  readonly focus: number | undefined;
  readonly records: Study;
  readonly callbacks: Callbacks;
  readonly clock: Stopwatch;
  /** Runs the picked plan; undefined without verification. */
  readonly verifier: Verifier | undefined;
}

/** Result of a study. */
export interface StudyResult extends Front {
  readonly picked: FrontPlan;
  /** The picked plan as a backend runs it, if it was verified. */
  readonly verified?: Verification;
  /** What the study cost so far. */
  readonly passes: PassCounts;
}

/** Runs the steps that the study lacks, in order: profile, candidates, groups, search, pick. */
export const runStudy = async (run: StudyRun): Promise<StudyResult> => {
  const { samples } = run;
  const evaluator = lazily(() => run.model.evaluator(samples));
  const work = async (): Promise<StudyResult> => {
    const profile = await profileOf(run, samples, evaluator);
    const measure = measureOf(run, profile);
    const inputs = await searchInputs(run, profile, measure);
    const measurer = await openMeasurer(run, evaluator);
    const front = await searchStep(run, inputs, measurer, measure === "gradient");
    const picked = pickedFrom(front.front, run.limit, run.study.objective);
    await writePlan(run.records.storage, pickedPlan(run, picked, [...measurer.known.values()]));
    const verified = await verifyStep(run, picked, evaluator.get);
    const passes = await passesOf(run, profile, measurer);
    return { ...front, picked, passes, ...(verified && { verified }) };
  };
  return thenDispose(work, () => evaluator.dispose());
};

const openMeasurer = async (
  { records, space, study, task, callbacks }: StudyRun,
  evaluator: Lazy<Evaluator>,
): Promise<Measurer> =>
  task === undefined
    ? textMeasurer({
        ...callbacks,
        space,
        evaluator: evaluator.get,
        journal: await records.journal("journal", evaluationEntrySchema(space)),
      })
    : taskMeasurer({
        ...callbacks,
        space,
        evaluator: task.evaluator.get,
        journal: await records.journal("journal", taskEntrySchema(space)),
        prompts: task.prompts.length,
        objective: study.objective,
      });

const verifyStep = async (
  { verifier, clock, callbacks }: StudyRun,
  picked: FrontPlan,
  evaluator: () => Promise<Evaluator>,
): Promise<Verification | undefined> =>
  verifier && clock.time("verify", async () => verifier.verify(picked, await evaluator(), callbacks));

/** Cuts the calibration text into samples, or reads those of an earlier run. */
export const calibrationStep = async ({
  textSamples,
  ownSamples,
  records,
  clock,
}: Pick<StudyRun, "textSamples" | "records" | "clock"> & {
  /** Samples the model's own text. */
  readonly ownSamples: () => Promise<TuningSamples>;
}): Promise<TuningSamples> => {
  const { samples, fitted } = await records.step("calibration", () =>
    clock.time("calibrate", async () => {
      const cut = textSamples ?? (await ownSamples());
      return { samples: numbersOf(cut.samples), ...(cut.fitted && { fitted: numbersOf(cut.fitted) }) };
    }),
  );
  return { samples: idsOf(samples), ...(fitted && { fitted: idsOf(fitted) }) };
};

const numbersOf = (samples: readonly Int32Array[]): number[][] => samples.map((sample) => [...sample]);

const idsOf = (samples: readonly (readonly number[])[]): Int32Array[] =>
  samples.map((sample) => Int32Array.from(sample));

const profileOf = (run: StudyRun, samples: readonly Int32Array[], evaluator: Lazy<Evaluator>): Promise<StoredProfile> =>
  run.records.step("profile", () =>
    run.clock.time("profile", async () => {
      const { model, records, space, study, task, callbacks } = run;
      const losses =
        task === undefined ? textLosses(evaluator.get, space.assets) : taskLosses(task.evaluator.get, space.assets);
      const journal = await records.journal("profileJournal", profileEntrySchema(space));
      const inputs = { space, journal, callbacks };
      const measured = (): Promise<StoredProfile> => profileStep({ ...inputs, model, samples }, losses);
      const { gradients } = model;
      if (study.measure !== "gradient" || !gradients) return measured();
      const texts = task ? answerTexts(task, PROFILE_PROMPTS) : samples.map((ids) => ({ ids, from: 0 }));
      const estimated = gradientProfileStep(
        { ...inputs, model, texts, gradients, seed: study.seed, storage: records.storage },
        losses,
      );
      return estimated.catch((error: unknown) => {
        if (!run.fallsBack || !(error instanceof KvtunerError) || error.code !== "BACKWARD_UNSUPPORTED") throw error;
        callbacks.warn(`measuring every layer, as --measure kl does: ${error.message}`);
        return measured();
      });
    }),
  );

/** Layers may have been measured for lack of gradients. */
const measureOf = ({ study: { measure } }: StudyRun, profile: StoredProfile): Measure =>
  measure === "gradient" && !isEstimated(profile) ? "kl" : measure;

const searchInputs = async (
  { records, space }: StudyRun,
  profile: StoredProfile,
  measure: Measure,
): Promise<SearchInputs> => {
  const { candidates } = await records.step("candidates", async () => pruneStep(space, profile, measure));
  const { groups } = await records.step("groups", async () => groupStep(space, profile, candidates, measure));
  return { space, losses: lossTable(profile), candidates, groups };
};

const passesOf = async (
  { space, study, task, records }: StudyRun,
  profile: StoredProfile,
  { known }: Measurer,
): Promise<PassCounts> =>
  countPasses({
    space,
    fitting: (await records.read("fitting"))?.passes,
    tokens: study.sampleLength,
    profile,
    entries: [...known.values()],
    prompts: task?.prompts.length,
  });

const searchStep = async (
  run: StudyRun,
  inputs: SearchInputs,
  measurer: Measurer,
  stopsEarly: boolean,
): Promise<Front> =>
  run.clock.time("search", async () => {
    const { study, space, focus, limit, records, callbacks } = run;
    if (!(await isSearched(run, measurer)))
      await runSearch(inputs, { ...study, focus, limit, stopsEarly }, measurer, callbacks);
    // Other strategies keep their own pick. The surrogate adds plans only if they found none within the limit.
    const isEnough = (): boolean => study.strategy !== "surrogate" && hasPick(run, measurer);
    await evaluateWithin(inputs, limit, measurer, isEnough);
    if (isBound(limit) && !limitsCost(limit) && !hasPick(run, measurer)) await evaluateBest(space, measurer);
    const front = frontOf(run, measurer);
    await records.write("front", front);
    return front;
  });

const frontOf = ({ space, study }: StudyRun, { known }: Measurer): Front =>
  makeFront(space, [...known.values()], study.objective);

/** Whether the search is done. If the journal has lost plans, the front must not be replaced by a smaller one. */
const isSearched = async ({ records, callbacks }: StudyRun, measurer: Measurer): Promise<boolean> => {
  const front = await records.read("front");
  if (front === undefined) return false;
  await measurer.recall();
  const lost = front.evaluations - measurer.known.size;
  if (lost > 0)
    callbacks.warn(`journal.jsonl lacks ${lost} of the plans that front.json was made from: searching again`);
  return lost <= 0;
};

const hasPick = (run: StudyRun, measurer: Measurer): boolean =>
  pickPlan(frontOf(run, measurer).front, run.limit, run.study.objective) !== undefined;
