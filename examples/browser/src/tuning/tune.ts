import {
  assertReachable,
  focusOf,
  openStudy,
  readStudy,
  runStudy,
  searchSpace,
  stopwatch,
  studyOptions,
  studySettings,
  textSamples,
  writeRequest,
  type Limit,
  type RunContext,
  type StudyStorage,
  type TunableModel,
} from "@kvtuner/tuning";

/** What users choose on the page. */
export interface TuneRequest {
  /** True bits that the plan may have. */
  readonly bits: number;
  /** Plans to evaluate. */
  readonly evaluations: number;
  /** Calibration text. */
  readonly text: string;
}

/** What a tuning ends with. */
export interface Tuned {
  /** The text of `plan.json`. */
  readonly plan: string;
  /** A page that needs nothing else. */
  readonly report: string;
}

/** Fewer than the command line's sixteen: a page should be done in a minute. */
const PAIRS = ["K8V4", "K4V4", "K4V2", "K2V2"];

/** Tunes a model on a text; a study that the storage holds is resumed, and one that is done is only picked from. */
export const tune = async (
  model: TunableModel,
  { bits, evaluations, text }: TuneRequest,
  storageOf: (study: string) => StudyStorage,
  context: RunContext,
): Promise<Tuned> => {
  const storage = storageOf(`${model.identity.name}, ${evaluations} plans`);
  const study = studyOptions({ pairs: PAIRS, evaluations });
  const limit: Limit = { kind: "bits", bits };
  const space = searchSpace(model.shape, study);
  assertReachable(limit, space);
  const samples = textSamples(model, text, study);
  // Studies of this page look at the whole front, so that another limit picks from the same one.
  const settings = await studySettings(model, study, space, text, undefined);
  const records = await openStudy(storage, settings, context.warn);
  try {
    await runStudy({
      model,
      study,
      space,
      limit,
      textSamples: samples,
      ownSamples: async () => samples,
      task: undefined,
      focus: focusOf(limit, space),
      records,
      context,
      clock: stopwatch(),
      verifier: undefined,
    });
    await writeRequest(storage, { version: 1, model: "embedded", out: storage.location, limit });
  } finally {
    await records.close();
  }
  return { plan: (await storage.read("plan.json")) ?? "", report: await reportOf(storage) };
};

/** Charts are drawn by libraries that are larger than all the rest: they are fetched when a report is. */
const reportOf = async (storage: StudyStorage): Promise<string> => {
  const { renderReport, reportData } = await import("@kvtuner/report");
  return renderReport(reportData(await readStudy(storage), {}));
};
