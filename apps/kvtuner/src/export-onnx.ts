import type { QuantizedCache } from "@kvtuner/decoder";
import { isExportedFolder, openExportedFolder, type ExportedFolder } from "@kvtuner/decoder/node";
import type { LayerScheme, SchemeOf } from "@kvtuner/plan";
import {
  assertOwnTextIsSampled,
  callbacksOf,
  channelRanges,
  exportPlan,
  fillOptions,
  OptionError,
  textSamples,
  thenDispose,
  warnOnce,
  type Callbacks,
  type TunableModel,
} from "@kvtuner/tuning";
import { cachedOwnText } from "./calibration/cached-own-text.ts";
import { readText } from "./calibration/text.ts";
import { openPlanScorer } from "./evaluate.ts";
import type { ExportResult } from "./export-result.ts";
import { copyExported } from "./model/copy-exported.ts";
import { openModel } from "./model/open.ts";
import { adoptPlan } from "./model/read-plan.ts";
import { EVALUATE_OPTIONS, type ExportOptions } from "./options.ts";

/**
 * Writes a copy of an ONNX model whose caches store what a plan says, with scales calibrated on a text, and measures it.
 *
 * @throws KvtunerError for a model that is no ONNX folder or has another shape than the plan's, layers without
 * GroupQueryAttention, an existing folder
 */
export const exportToOnnx = async ({ plan, out, model: path, ...options }: ExportOptions): Promise<ExportResult> => {
  if (out === undefined) throw new OptionError("out", "the new folder of the model", "none");
  const folder = await folderOf(path);
  const callbacks = warnOnce(callbacksOf(options));
  const { context, sampleLength } = fillOptions(EVALUATE_OPTIONS, options);
  const model = await openModel(folder.paths[0], callbacks, { contextLength: Math.max(context, sampleLength) });
  const work = async (): Promise<ExportResult> => {
    const adopted = adoptPlan(plan, model);
    const samples = await calibrationSamples(model, options, callbacks);
    const exported = exportPlan(adopted, "onnx", await channelRanges(model, samples, callbacks.signal));
    copyExported(folder, folder.model.withQuantizedCaches(exported.plan.layers.map(cacheOf)), out);
    const scorer = await openPlanScorer({ ...options, model });
    const measure = async () => ({ plan: await scorer.score(adopted), exported: await scorer.score(exported.plan) });
    return { to: "onnx", out, ...exported, measured: await thenDispose(measure, () => scorer.dispose()) };
  };
  return thenDispose(work, () => model.dispose());
};

const folderOf = async (path: ExportOptions["model"]): Promise<ExportedFolder> => {
  if (typeof path === "string" && (await isExportedFolder(path))) return openExportedFolder(path);
  const given = typeof path === "string" ? path : path === undefined ? "none" : "a loaded model";
  throw new OptionError("model", "the folder of the plan's model in ONNX, as published by onnx-community", given);
};

/** Samples that differ from those that plans are measured on, if both are of the model's own text. */
const calibrationSamples = async (
  model: TunableModel,
  { calibrationText: path, ...given }: Omit<ExportOptions, "plan">,
  callbacks: Callbacks,
): Promise<readonly Int32Array[]> => {
  const { samples, sampleLength, seed } = fillOptions(EVALUATE_OPTIONS, given);
  if (path !== undefined) return textSamples(model, readText(path), { samples, sampleLength });
  assertOwnTextIsSampled({ samples, sampleLength });
  return cachedOwnText(model, { samples, sampleLength, seed: (seed + 1) % 2 ** 32 }, callbacks);
};

const cacheOf = ({ key, value }: LayerScheme): QuantizedCache | undefined =>
  key.kind === "block-format" && value.kind === "block-format"
    ? { bits: key.format === "ort-int4" ? 4 : 8, keyScales: scalesOf(key), valueScales: scalesOf(value) }
    : undefined;

const scalesOf = ({ scales }: SchemeOf<"block-format">): Float32Array => Float32Array.from(scales as readonly number[]);
