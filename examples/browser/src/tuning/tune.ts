import {
  readStudy,
  studyOptions,
  tuneModel,
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
  const limit = { kind: "bits", bits } as const;
  await tuneModel(model, { study, limit, text, anyLimit: true, names: { model: "embedded" } }, storage, context);
  return { plan: (await storage.read("plan.json")) ?? "", report: await reportOf(storage) };
};

/** Charts are drawn by libraries that are larger than all the rest: they are fetched when a report is. */
const reportOf = async (storage: StudyStorage): Promise<string> => {
  const { renderReport, reportData } = await import("@kvtuner/report");
  return renderReport(reportData(await readStudy(storage), {}));
};
