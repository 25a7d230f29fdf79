import {
  readStudy,
  studyOptions,
  tuneModel,
  type Callbacks,
  type StudyStorage,
  type TunableModel,
} from "@kvtuner/tuning";

/** What users choose on the page. */
export interface TuneRequest {
  /** Limit of the plan, true bits. */
  readonly bits: number;
  /** Plans to evaluate. */
  readonly evaluations: number;
  /** Calibration text. */
  readonly text: string;
}

/** Result of a tuning. */
export interface Tuned {
  /** The text of `plan.json`. */
  readonly plan: string;
  /** The report, a self-contained page. */
  readonly report: string;
}

/** Fewer than the command line's sixteen, so that a page is done in a minute. */
const PAIRS = ["K8V4", "K4V4", "K4V2", "K2V2"];

/** Measuring so few pairs takes hardly longer than estimating, and needs no graphs of gradients. */
const MEASURE = "kl";

/** Tunes a model on a text. Resumes a stored study; from a finished one it only picks a plan. */
export const tune = async (
  model: TunableModel,
  { bits, evaluations, text }: TuneRequest,
  storageOf: (study: string) => StudyStorage,
  callbacks: Callbacks,
): Promise<Tuned> => {
  const storage = storageOf(`${model.identity.name}, ${evaluations} plans`);
  const study = studyOptions({ pairs: PAIRS, evaluations, measure: MEASURE });
  const limit = { kind: "bits", bits } as const;
  await tuneModel(model, { study, limit, text, anyLimit: true, names: { model: "embedded" } }, storage, callbacks);
  return { plan: (await storage.read("plan.json")) ?? "", report: await reportOf(storage) };
};

/** Imports the report only when needed: its chart libraries are larger than everything else. */
const reportOf = async (storage: StudyStorage): Promise<string> => {
  const { renderReport, reportData } = await import("@kvtuner/report");
  return renderReport(reportData(await readStudy(storage), {}));
};
