import { existsSync, openSync, readSync, closeSync } from "node:fs";
import { join } from "node:path";
import { isExportedFolder } from "@kvtuner/decoder/node";
import { isHubName } from "@kvtuner/hub";
import {
  assetBytes,
  type CacheShape,
  formatPair,
  KvtunerError,
  type ModelIdentity,
  pairOf,
  type Plan,
  type PlanSize,
  planSize,
  stateBytes,
  storedNumbers,
  type UniformSize,
  uniformSizes,
} from "@kvtuner/plan";
import {
  BudgetUnmetError,
  callbacksOf,
  DEFAULT_PAIRS,
  exactBytes,
  fillOptions,
  modelDifficulty,
  readCodings,
  readSettings,
  readStep,
  STUDY_FILES,
  type FrontPlan,
  type Given,
  type ModelDifficulty,
  type StudySettings,
} from "@kvtuner/tuning";
import { type LayerRun, layerRuns } from "./layer-runs.ts";
import { distributionsOf, exportDistributions } from "./model/distributions.ts";
import { exportMemory, openExportedHeader } from "./model/exported-model.ts";
import { readModelHeader } from "./model/header.ts";
import { readPlanFile } from "./model/read-plan.ts";
import { isModelName, type ResolvedModel, resolveModel } from "./model/resolve.ts";
import { runMemory, type RunMemory, type Weights } from "./model/weights.ts";
import { INSPECT_OPTIONS, type RunCallbacks } from "./options.ts";
import { folderStorage } from "./study/folder-storage.ts";
import { statIfThere } from "./study/stat-if-there.ts";

/** Options of {@link inspect}. */
export interface InspectOptions extends Given<typeof INSPECT_OPTIONS>, RunCallbacks {
  /** A model (path, name or `hf:OWNER/NAME`), a plan file, or a study folder. */
  readonly target: string;
}

/** Contents of a target. */
export type InspectResult = ModelReport | PlanReport | StudyReport;

/** A model's cache. */
export interface ModelReport {
  readonly kind: "model";
  readonly model: ModelIdentity;
  readonly shape: CacheShape;
  /** Memory and disk space to run it, without its cache, by how the weights are held (`--weights`). */
  readonly weights?: Readonly<Record<Weights, RunMemory>>;
  /** Instead of `weights` for an ONNX model, whose files are used as they are: bytes that its weights take. */
  readonly weightBytes?: number;
  /** Beside `weightBytes`: memory of the process at its peak, bytes. */
  readonly peakBytes?: number;
  /** How the layers attend, and their sizes; equal neighbours are one entry. */
  readonly layers: readonly LayerRun[];
  /** Bytes one token takes at 16 bits, until a span is full. */
  readonly bytesPerToken: number;
  readonly context: number;
  /** Bytes of the whole cache at 16 bits, at the context length. */
  readonly bytes16: number;
  /** Bytes of the states of all layers without attention, for one sequence of any length; absent without such layers. */
  readonly stateBytes?: number;
  readonly budget?: number;
  /** One pair in every layer, and whether it keeps to the budget; `fits` is absent without one. */
  readonly uniform: readonly (UniformSize & { readonly fits?: boolean })[];
  /** How hard its keys are to quantize. */
  readonly difficulty: ModelDifficulty;
}

/** A plan's layers and cost. */
export interface PlanReport extends Omit<PlanSize, "bytesByPart"> {
  readonly kind: "plan";
  /** Without the data of its assets. */
  readonly plan: Omit<Plan, "assets">;
  /** Bytes of the plan's assets, which `bytes` leaves out; absent without any. */
  readonly assetBytes?: number;
  /** One pair a layer, `K8V4` and the like. */
  readonly pairs: readonly string[];
  readonly context: number;
  /** Whether it keeps to the budget; absent without one. */
  readonly fits?: boolean;
}

/** State of a study, and its front. */
export interface StudyReport {
  readonly kind: "study";
  readonly settings: StudySettings;
  /** Names of the files that are there. */
  readonly files: readonly string[];
  readonly front: readonly FrontPlan[];
  readonly evaluations: number;
  readonly hypervolume?: number;
}

/**
 * Says what a model, a plan or a study holds. Of a GGUF model's weights it reads those before attention; of an ONNX model, it runs
 * the segments on random numbers.
 *
 * @throws KvtunerError when the target is none of these, or no uniform plan of a model fits the budget.
 */
export const inspect = async (options: InspectOptions): Promise<InspectResult> => {
  const { target } = options;
  const { context, budget } = fillOptions(INSPECT_OPTIONS, options);
  if (await isExportedFolder(target)) return inspectModel({ path: target, isExport: true }, context, budget);
  const stats = statIfThere(target);
  if (stats?.isDirectory()) return inspectStudy(target);
  if (stats?.isFile() && !isModelFile(target)) return inspectPlan(readPlanFile(target), context, budget);
  if (stats === undefined && !isModelName(target) && !isHubName(target)) throw new TargetError(target);
  const access = { ...callbacksOf(options), offline: options.offline === true };
  return inspectModel(await resolveModel(target, access), context, budget);
};

const isModelFile = (path: string): boolean => /\.gguf$/i.test(path) || startOf(path) === "GGUF";

/** First four bytes; empty for an unreadable file. The code that reads the whole file reports the error. */
const startOf = (path: string): string => {
  const magic = Buffer.alloc(4);
  try {
    const file = openSync(path, "r");
    try {
      readSync(file, magic, 0, 4, 0);
    } finally {
      closeSync(file);
    }
  } catch {
    return "";
  }
  return magic.toString("latin1");
};

const inspectModel = async (
  { path, source, isExport }: ResolvedModel,
  context: number,
  budget: number | undefined,
): Promise<ModelReport> => {
  const { identity, shape, ...memory } = await modelHeader(path, isExport);
  const uniform = uniformSizes(shape, DEFAULT_PAIRS, context).map((one) => ({ ...one, ...fitting(one, budget) }));
  if (budget !== undefined) assertSomeFits(uniform, budget, context);
  return {
    kind: "model",
    model: { ...identity, ...(source !== undefined && { source }) },
    shape,
    ...memory,
    layers: layerRuns(shape, context),
    bytesPerToken: 2 * storedNumbers(shape, 1),
    context,
    bytes16: 2 * storedNumbers(shape, context),
    ...(shape.recurrent && { stateBytes: stateBytes(shape) }),
    ...(budget !== undefined && { budget }),
    uniform,
  };
};

type HeaderReport = Pick<ModelReport, "shape" | "weights" | "weightBytes" | "peakBytes" | "difficulty"> & {
  readonly identity: ModelIdentity;
};

const modelHeader = async (path: string, isExport: boolean): Promise<HeaderReport> => {
  if (isExport) {
    const header = await openExportedHeader(path);
    const { identity, shape, weightBytes } = header;
    const { peakBytes } = exportMemory(header, header.tokenizer().vocabularySize, false);
    const difficulty = modelDifficulty(shape, await exportDistributions(header));
    return { identity, shape, weightBytes, peakBytes, difficulty };
  }
  const { identity, shape, gguf } = await readModelHeader(path);
  const weights = { compact: runMemory(gguf, "compact"), exact: runMemory(gguf, "exact") };
  return { identity, shape, weights, difficulty: modelDifficulty(shape, await distributionsOf(path)) };
};

const fitting = ({ bytes }: { readonly bytes: number }, budget: number | undefined): { fits?: boolean } =>
  budget === undefined ? {} : { fits: bytes <= budget };

const assertSomeFits = (uniform: ModelReport["uniform"], budget: number, context: number): void => {
  if (uniform.some(({ fits }) => fits)) return;
  const smallest = uniform.toSorted((one, other) => one.bytes - other.bytes)[0];
  if (smallest === undefined) return;
  const cost = `${exactBytes(smallest.bytes)} at ${context} tokens`;
  throw new BudgetUnmetError(exactBytes(budget), { name: smallest.plan, cost });
};

const inspectPlan = ({ assets, ...plan }: Plan, context: number, budget: number | undefined): PlanReport => {
  const { bytesByPart: _, ...size } = planSize(plan, context);
  return {
    kind: "plan",
    plan,
    ...(assets && { assetBytes: assetBytes({ assets }) }),
    pairs: plan.layers.map((layer) => formatPair(pairOf(layer))),
    context,
    ...size,
    ...fitting(size, budget),
  };
};

const inspectStudy = async (folder: string): Promise<StudyReport> => {
  const storage = folderStorage(folder);
  const settings = await readSettings(storage);
  if (settings === undefined) throw new TargetError(folder);
  const front = await readStep(storage, "front", settings, await readCodings(storage, settings));
  return {
    kind: "study",
    settings,
    files: Object.values(STUDY_FILES).filter((file) => existsSync(join(folder, file))),
    front: front?.front ?? [],
    evaluations: front?.evaluations ?? 0,
    ...(front && { hypervolume: front.hypervolume }),
  };
};

/** Neither a model nor a plan nor a study. */
export class TargetError extends KvtunerError {
  constructor(target: string) {
    super(
      "TARGET_UNKNOWN",
      `expected a GGUF file, a folder with an ONNX model, hf:OWNER/NAME, a model's name, a plan file or a study folder to inspect, got ${JSON.stringify(target)}; check the path`,
    );
    this.name = "TargetError";
  }
}
