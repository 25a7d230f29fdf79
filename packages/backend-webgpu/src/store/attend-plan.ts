import type { LayerShape } from "@kvtuner/plan";
import type { GpuLimits } from "../device/gpu.ts";
import { pieceTokens } from "../device/workspace.ts";
import { type AttendKernel, attendSource, vectorsFor } from "../kernels/attend-kernel.ts";
import type { KernelSource } from "../kernels/kernel-source.ts";
import { projectSource } from "../kernels/project-kernel.ts";
import { reduceSource } from "../kernels/reduce-kernel.ts";
import type { Variant } from "../kernels/variant.ts";
import { type AttendItem, attendItems } from "./attend-items.ts";
import type { GpuLayer, GpuTensor } from "./gpu-layer.ts";
import type { Reader } from "./reader.ts";
import { exactFormat, type TensorFormat } from "./tensor-format.ts";

/** An item with its kernel, and the number of tiles per workgroup. */
export interface PlannedItem {
  readonly item: AttendItem;
  readonly kernel: AttendKernel;
  readonly tilesInSplit: number;
  readonly splits: number;
}

/** The dispatches that attend with some queries. */
export interface AttendPlan {
  readonly reader: Reader;
  readonly position: number;
  readonly tokens: number;
  readonly items: readonly PlannedItem[];
  /** Partial sums per query vector. */
  readonly partials: number;
}

/** Workgroups that keep a GPU busy, and the most bytes of partial sums. */
const WORKGROUPS = 256;
const PARTIAL_BYTES = 2 ** 26;

/**
 * Plans attention of the queries at `position .. position + tokens - 1` in pieces, each small enough for its partial sums to fit in one binding.
 * Long caches have many blocks, and each adds a sum per query.
 */
export const planPieces = (reader: Reader, position: number, tokens: number, limits: GpuLimits): AttendPlan[] => {
  const plans: AttendPlan[] = [];
  let most = pieceTokens(reader.shape, limits);
  for (let done = 0; done < tokens; done += most) {
    const plan = planPiece(reader, position + done, Math.min(most, tokens - done), limits);
    most = plan.tokens;
    plans.push(plan);
  }
  return plans;
};

/** Plans at most `tokens` tokens. Halving keeps workgroups full. */
const planPiece = (reader: Reader, position: number, tokens: number, limits: GpuLimits): AttendPlan => {
  const plan = planAttention(reader, position, tokens, limits);
  const isFitting = plan.partials * vectorBytes(reader.shape, tokens) <= mostPartialBytes(limits);
  return isFitting || tokens === 1 ? plan : planPiece(reader, position, Math.ceil(tokens / 2), limits);
};

/** Plans attention of queries at `position .. position + tokens - 1`, which the layer will hold by then. */
export const planAttention = (reader: Reader, position: number, tokens: number, limits: GpuLimits): AttendPlan => {
  const { queryHeads, kvHeads, headSize, valueSize = headSize } = reader.shape;
  const items = attendItems(reader, position, tokens);
  const vectors = vectorsFor((tokens * queryHeads) / kvHeads, Math.max(headSize, valueSize));
  const tiles = items.reduce((sum, { firstTile, endTile }) => sum + endTile - firstTile, 0);
  const groups = kvHeads * Math.ceil((tokens * queryHeads) / kvHeads / vectors);
  // Rounding gives each item at most one split more than its share.
  const mostSplits = Math.floor(mostPartialBytes(limits) / vectorBytes(reader.shape, tokens)) - items.length;
  const tilesInSplit = Math.ceil(tiles / Math.max(1, Math.min(mostSplits, Math.floor(WORKGROUPS / groups))));
  const planned = items.map((item) => ({
    item,
    kernel: kernelFor(reader, item, vectors),
    tilesInSplit,
    splits: Math.ceil((item.endTile - item.firstTile) / tilesInSplit),
  }));
  return { reader, position, tokens, items: planned, partials: planned.reduce((sum, { splits }) => sum + splits, 0) };
};

const mostPartialBytes = ({ maxBindingBytes }: GpuLimits): number => Math.min(PARTIAL_BYTES, maxBindingBytes);

/** Bytes of one partial sum of all query vectors. */
const vectorBytes = ({ queryHeads, headSize, valueSize = headSize }: LayerShape, tokens: number): number =>
  4 * valueSize * tokens * queryHeads;

export const attendGroups = ({ splits, kernel }: PlannedItem, tokens: number, shape: LayerShape): number[] => [
  splits,
  Math.ceil((tokens * shape.queryHeads) / shape.kvHeads / kernel.vectors),
  shape.kvHeads,
];

const kernelFor = ({ stored: { key, value }, spec }: Reader, item: AttendItem, vectors: number): AttendKernel => ({
  headSize: key.format.headSize,
  valueSize: value.format.headSize,
  vectors,
  key: readFormat(key, item.isKeyExact),
  value: readFormat(value, item.isValueExact),
  isCapped: spec.softcap !== undefined,
});

const readFormat = ({ format }: GpuTensor, isExact: boolean): TensorFormat => (isExact ? exactFormat(format) : format);

/** Kernels of a plan. */
export const plannedSources = ({ reader, items }: AttendPlan, variant: Variant): KernelSource[] => [
  ...items.map(({ kernel }) => attendSource(kernel, variant)),
  reduceSource(reader.shape, reader.spec, reader.stored.value.format.transform !== undefined),
  ...(projectsQueries(reader.stored) ? [projectSource(reader.shape.headSize)] : []),
];

/** Whether keys are read in a basis of their own, which queries change to by a matrix. */
export const projectsQueries = ({ key: { format } }: Pick<GpuLayer, "key">): boolean =>
  format.transform?.form === "folded" && format.transform.hasMatrix;
