import { KvtunerError, type CacheShape, type ModelIdentity } from "@kvtuner/plan";
import { z } from "zod";
import { reasonOf } from "../storage/reason.ts";
import { readRecord, type Stored, type StudyStorage } from "../storage/storage.ts";
import type { PlanRecords } from "../study/plan-file.ts";

/** Names of a comparison's records. */
export const COMPARISON_FILES = {
  settings: "settings.json",
  samples: "samples.json",
  scores: "scores.jsonl",
  tasks: "tasks.jsonl",
  times: "times.jsonl",
  comparison: "comparison.json",
  page: "comparison.html",
  chart: "comparison.svg",
} as const;

/** Records of a tuned plan and its tables. */
export const tunedPlanRecords = (family: string, bits: number): PlanRecords => planRecords(`kvtuner-${family}-${bits}`);

const planRecords = (name: string): PlanRecords => ({ plan: `${name}.json`, assets: `${name}.safetensors` });

/** Whether a record is a plan of a comparison, or its tables. */
export const isComparedPlan = (name: string): boolean => /^(?:kvtuner|calibrated)-.+\.(?:json|safetensors)$/.test(name);

/** Schema of a line of `scores.jsonl`. */
export const scoreSchema = z.object({
  /** Digest of the layers and their tables. */
  plan: z.string(),
  /** Mean KL divergence to the float cache, nats a token. */
  kl: z.number(),
  klStandardError: z.number(),
  /** 99.9th percentile over tokens. */
  klTail: z.number(),
  /** Share of tokens whose likeliest successor is the float cache's. */
  top1: z.number(),
  perplexity: z.number(),
  floatPerplexity: z.number(),
});

/** Schema of a line of `tasks.jsonl`. */
export const taskScoreSchema = z.object({
  plan: z.string(),
  accuracy: z.number(),
  accuracyStandardError: z.number(),
  floatAccuracy: z.number(),
  /** McNemar's p against the float cache. */
  pValue: z.number(),
  prompts: z.int(),
});

/** Schema of a line of `times.jsonl`. */
export const timeSchema = z.object({
  plan: z.string(),
  /** Time of a decoded token relative to the float cache; null where no kernel stores the plan. */
  decodeTime: z.number().nullable(),
});

const rowSchema = z.object({
  ...scoreSchema.omit({ plan: true, floatPerplexity: true }).shape,
  /** Name of the method; `kvtuner-` and what it chose from for tuned plans. */
  method: z.string(),
  title: z.string(),
  /** Setting of the method, or the limit of a tuned plan. */
  label: z.string(),
  /** Levels of true bits to which this setting is the method's nearest. */
  levels: z.array(z.number()),
  bits: z.number(),
  bytes: z.number(),
  /** Bytes of static tables, which `bits` and `bytes` leave out. */
  assetBytes: z.number(),
  task: taskScoreSchema.omit({ plan: true }).exactOptional(),
  /** Record of the plan, for tuned ones. */
  plan: z.string().exactOptional(),
  /** Decode time relative to the float cache; absent where it was not timed or no kernel exists. */
  decodeTime: z.number().exactOptional(),
});

const schema = z.object({
  version: z.literal(1),
  model: z.custom<ModelIdentity>(),
  shape: z.custom<CacheShape>(),
  /** Tokens at which bits and bytes are counted. */
  context: z.int(),
  levels: z.array(z.number()),
  /** What was scored on, and what was tuned on, in words. */
  scoredOn: z.string(),
  tunedOn: z.string(),
  floatPerplexity: z.number(),
  rows: z.array(rowSchema),
});

/** `comparison.json`. */
export type Comparison = Stored<typeof schema>;

/** One setting of a method, or one tuned plan. */
export type ComparisonRow = Comparison["rows"][number];

/**
 * Reads a finished comparison; undefined when there is none.
 *
 * @throws ComparisonFileError when the record is invalid
 */
export const readComparison = async (storage: StudyStorage): Promise<Comparison | undefined> => {
  try {
    const value = await readRecord(storage, COMPARISON_FILES.comparison);
    return value === undefined ? undefined : schema.parse(value);
  } catch (cause) {
    throw new ComparisonFileError(storage.locationOf(COMPARISON_FILES.comparison), cause);
  }
};

/** `comparison.json` cannot be read. */
export class ComparisonFileError extends KvtunerError {
  constructor(location: string, cause: unknown) {
    super(
      "COMPARISON_UNREADABLE",
      `expected a comparison in ${location}, but ${reasonOf(cause)}; run compare again with the same options`,
      { cause },
    );
    this.name = "ComparisonFileError";
  }
}
