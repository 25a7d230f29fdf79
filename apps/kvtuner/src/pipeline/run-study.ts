import type { Evaluator } from "@kvtuner/evaluation";

import { cachedOwnText } from "../calibration/cached-own-text.ts";
import type { TunableModel } from "../model/tunable-model.ts";
import type { StudyOptions } from "../options.ts";
import type { RunContext } from "../progress.ts";
import { writeFileAtomic, writeJsonAtomic } from "../study/atomic-file.ts";
import type { StudyFolder } from "../study/folder.ts";
import type { Journal } from "../study/journal.ts";
import { evaluationEntryParser, type EvaluationEntry } from "./evaluation-entry.ts";
import { groupStep } from "./group.ts";
import type { Limit } from "./limit.ts";
import { evaluateBest, evaluateWithin } from "./near-limit.ts";
import { makeFront, pickedFrom, pickPlan, type Front, type FrontPlan } from "./pick.ts";
import { planFile } from "./plan-file.ts";
import { lossTable, profileStep } from "./profile.ts";
import { pruneStep } from "./prune.ts";
import { runSearch, type SearchInputs } from "./search.ts";
import type { SearchSpace } from "./space.ts";
import type { Stopwatch } from "./stopwatch.ts";
import type { Verification, Verifier } from "./verify.ts";

/** Everything one run of a study works with. */
export interface StudyRun {
  readonly model: TunableModel;
  readonly study: StudyOptions;
  readonly space: SearchSpace;
  readonly limit: Limit;
  /** Windows of the calibration text; undefined for the model's own. */
  readonly textWindows: readonly Int32Array[] | undefined;
  /** Bytes to look near. */
  readonly focus: number | undefined;
  readonly folder: StudyFolder;
  readonly context: RunContext;
  readonly clock: Stopwatch;
  /** Runs the picked plan; undefined when that is not asked for. */
  readonly verifier: Verifier | undefined;
}

/** What a study ends with. */
export interface StudyResult extends Front {
  readonly picked: FrontPlan;
  /** The picked plan as a backend runs it, where that was asked for. */
  readonly verified?: Verification;
}

/** Does the steps that the folder lacks, in order: calibration text, profile, candidates, groups, search, pick. */
export const runStudy = async (run: StudyRun): Promise<StudyResult> => {
  const windows = await calibrationStep(run);
  const evaluator = lazyEvaluator(run, windows);
  try {
    const inputs = await searchInputs(run, windows, evaluator.get);
    const journal = run.folder.journal("journal", evaluationEntryParser(run.space));
    const front = await searchStep(run, inputs, journal, evaluator.get);
    const picked = pickedFrom(front.front, run.limit);
    writeFileAtomic(run.folder.file("plan"), planFile(run, picked, journal.entries));
    const verified = await verifyStep(run, picked, evaluator.get);
    return { ...front, picked, ...(verified && { verified }) };
  } finally {
    await evaluator.dispose();
  }
};

const verifyStep = async (
  { verifier, clock, context }: StudyRun,
  picked: FrontPlan,
  evaluator: () => Promise<Evaluator>,
): Promise<Verification | undefined> =>
  verifier && clock.time("verify", async () => verifier.verify(picked, await evaluator(), context));

const calibrationStep = async ({
  model,
  study,
  textWindows,
  folder,
  context,
  clock,
}: StudyRun): Promise<Int32Array[]> => {
  const { windows } = await folder.step("calibration", () =>
    clock.time("calibrate", async () => {
      const cut = textWindows ?? (await cachedOwnText(model, study, context));
      return { windows: cut.map((window) => [...window]) };
    }),
  );
  return windows.map((window) => Int32Array.from(window));
};

interface LazyEvaluator {
  get(): Promise<Evaluator>;
  dispose(): Promise<void>;
}

/** A study that is complete needs no evaluator, and no model in memory. */
const lazyEvaluator = ({ model }: StudyRun, windows: readonly Int32Array[]): LazyEvaluator => {
  let evaluator: Promise<Evaluator> | undefined;
  return {
    get: () => (evaluator ??= model.evaluator(windows)),
    dispose: async () => {
      await (await evaluator?.catch(() => undefined))?.dispose();
    },
  };
};

const searchInputs = async (
  run: StudyRun,
  windows: readonly Int32Array[],
  evaluator: () => Promise<Evaluator>,
): Promise<SearchInputs> => {
  const { folder, space, clock, study } = run;
  const profile = await folder.step("profile", () => clock.time("profile", () => profileStep(run, windows, evaluator)));
  const { candidates } = await folder.step("candidates", async () => pruneStep(space, profile, study.measure));
  const { groups } = await folder.step("groups", async () => groupStep(space, profile, candidates));
  return { space, losses: lossTable(profile), candidates, groups };
};

const searchStep = async (
  run: StudyRun,
  inputs: SearchInputs,
  journal: Journal<EvaluationEntry>,
  evaluator: () => Promise<Evaluator>,
): Promise<Front> =>
  run.clock.time("search", async () => {
    const resources = { ...run.context, evaluator, journal };
    if (!isSearched(run, journal)) await runSearch(inputs, { ...run.study, focus: run.focus }, resources);
    if (run.focus !== undefined) await evaluateWithin(inputs, run.focus, resources);
    if (!isMet(run, journal)) await evaluateBest(run.space, resources);
    const front = makeFront(run.space, journal.entries);
    writeJsonAtomic(run.folder.file("front"), front);
    return front;
  });

/** A front without all of the plans it was made from, whose journal was removed or cut, would be written over with less. */
const isSearched = ({ folder, context }: StudyRun, journal: Journal<EvaluationEntry>): boolean => {
  const front = folder.read<Front>("front");
  if (front === undefined) return false;
  const lost = front.evaluations - journal.entries.length;
  if (lost > 0) context.warn(`journal.jsonl lacks ${lost} of the plans that front.json was made from: searching again`);
  return lost <= 0;
};

const isMet = ({ space, limit }: StudyRun, journal: Journal<EvaluationEntry>): boolean =>
  limit.kind !== "kl" || pickPlan(makeFront(space, journal.entries).front, limit) !== undefined;
