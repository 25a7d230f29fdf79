import { PIECE_TOKENS, inputPlaces } from "../device/workspace.ts";
import { type AttendKernel, attendSource, vectorsFor } from "../kernels/attend-kernel.ts";
import type { KernelSource } from "../kernels/kernel-source.ts";
import type { Variant } from "../kernels/variant.ts";
import { type AttendItem, attendItems } from "./attend-items.ts";
import { type GpuLayer, type GpuTensor } from "./gpu-layer.ts";
import { blockRegion, ringRegion, sinkRegion } from "./region.ts";
import { exactFormat, type TensorFormat } from "./tensor-format.ts";
import type { Work } from "./work.ts";

/** An item with its kernel, and the tiles that each of its workgroups takes. */
interface PlannedItem {
  readonly item: AttendItem;
  readonly kernel: AttendKernel;
  readonly tilesInSplit: number;
  readonly splits: number;
}

/** What is dispatched to attend with some queries. */
export interface AttendPlan {
  readonly position: number;
  readonly tokens: number;
  readonly items: readonly PlannedItem[];
  /** Partial sums of each query vector. */
  readonly partials: number;
}

/** Workgroups that keep a GPU busy, and the most bytes of partial sums. */
const WORKGROUPS = 256;
const PARTIAL_BYTES = 2 ** 26;

/** Plans attention of queries at `position .. position + tokens - 1`, whose tokens the layer will hold. */
export const planAttention = (layer: GpuLayer, position: number, tokens: number): AttendPlan => {
  const { queryHeads, kvHeads, headSize } = layer.shape;
  const items = attendItems(layer, position, tokens);
  const vectors = vectorsFor((tokens * queryHeads) / kvHeads, headSize);
  const tiles = items.reduce((sum, { firstTile, endTile }) => sum + endTile - firstTile, 0);
  const groups = kvHeads * Math.ceil((tokens * queryHeads) / kvHeads / vectors);
  const mostSplits = Math.max(1, Math.floor(PARTIAL_BYTES / (4 * headSize * tokens * queryHeads)));
  const tilesInSplit = Math.ceil(tiles / Math.min(mostSplits, Math.max(1, Math.floor(WORKGROUPS / groups))));
  const planned = items.map((item) => ({
    item,
    kernel: kernelFor(layer, item, vectors),
    tilesInSplit,
    splits: Math.ceil((item.endTile - item.firstTile) / tilesInSplit),
  }));
  return { position, tokens, items: planned, partials: planned.reduce((sum, { splits }) => sum + splits, 0) };
};

const kernelFor = ({ key, value, shape }: GpuLayer, item: AttendItem, vectors: number): AttendKernel => ({
  headSize: shape.headSize,
  vectors,
  key: readFormat(key, item.isKeyExact),
  value: readFormat(value, item.isValueExact),
});

const readFormat = ({ format }: GpuTensor, isExact: boolean): TensorFormat => (isExact ? exactFormat(format) : format);

/** The kernels that a plan takes. */
export const plannedSources = ({ items }: AttendPlan, variant: Variant): KernelSource[] =>
  items.map(({ kernel }) => attendSource(kernel, variant));

/**
 * Attends with the queries in the workspace's inputs: partial sums of each item, then all together into the workspace's
 * outputs, float32 `[tokens, queryHeads * headSize]`.
 */
export const attendPiece = (work: Work, plan: AttendPlan): void => {
  const { shape, key } = work.layer;
  if (key.format.isRotated) rotateQueries(work, plan.tokens);
  let partial = 0;
  let rotated = 0;
  for (const planned of plan.items) {
    attendItem(work, plan, planned, partial);
    partial += planned.splits;
    if (work.layer.value.format.isRotated && !planned.item.isValueExact) rotated = partial;
  }
  const vectors = plan.tokens * shape.queryHeads;
  const { workspace } = work.engine;
  work.commands.run(
    work.engine.kernel(work.kernels.reduce),
    [...PARTIALS.map((name) => workspace.get(name)), work.layer.middles, workspace.get("outputs")],
    [partial, rotated, vectors, inputPlaces(shape).query, work.layer.mark],
    [vectors],
  );
};

const PARTIALS = ["partials", "statistics", "inputs"] as const;

const rotateQueries = ({ engine, commands, kernels, layer }: Work, tokens: number): void => {
  const { query, rotatedQuery } = inputPlaces(layer.shape);
  const { queryHeads } = layer.shape;
  commands.run(
    engine.kernel(kernels.rotateRows),
    [engine.workspace.get("inputs")],
    [query, rotatedQuery, queryHeads],
    [tokens, queryHeads],
  );
};

const attendItem = (
  { engine, commands, layer }: Work,
  plan: AttendPlan,
  planned: PlannedItem,
  firstPartial: number,
): void => {
  const { item, kernel, splits } = planned;
  const { workspace, variant } = engine;
  const { queryHeads, kvHeads } = layer.shape;
  const [keys, values] = [
    sideOf(layer, layer.key, item, item.isKeyExact),
    sideOf(layer, layer.value, item, item.isValueExact),
  ];
  const isRotated = layer.key.format.isRotated && !item.isKeyExact;
  commands.run(
    engine.kernel(attendSource(kernel, variant)),
    [
      keys.buffer,
      values.buffer,
      workspace.get("inputs"),
      layer.middles,
      workspace.get("partials"),
      workspace.get("statistics"),
    ],
    [
      ...keys.region,
      ...values.region,
      ...prefixWords(layer.key, item.isKeyExact),
      ...prefixWords(layer.value, item.isValueExact),
      ...callWords(layer, plan, planned, firstPartial),
      ...(isRotated ? rotatedStarts(layer) : [0, 0]),
      ...formatWords(kernel),
    ],
    [splits, Math.ceil((plan.tokens * queryHeads) / kvHeads / kernel.vectors), kvHeads],
  );
};

const callWords = (
  { shape, scheme }: GpuLayer,
  { position, tokens }: AttendPlan,
  { item, tilesInSplit }: PlannedItem,
  firstPartial: number,
): number[] => {
  const group = shape.queryHeads / shape.kvHeads;
  const tiles = [item.firstTile, item.endTile, tilesInSplit, firstPartial];
  return [...tiles, tokens * group, group, position, shape.kvHeads, scheme.sinks, Number(item.isSinks)];
};

/** What kernels for one pair of formats know already. */
const formatWords = ({ key, value, headSize, vectors }: AttendKernel): number[] => [
  key.bits,
  value.bits,
  Number(key.isChannel),
  headSize / 16,
  4,
  vectors,
];

/** Vectors of four at which transformed queries and middles begin. */
const rotatedStarts = ({ shape }: GpuLayer): number[] => [
  inputPlaces(shape).rotatedQuery / 4,
  (shape.kvHeads * shape.headSize) / 4,
];

const prefixWords = ({ format }: GpuTensor, isExact: boolean): number[] => [
  Number(isExact),
  format.block,
  format.window,
  0,
];

const sideOf = ({ shape }: GpuLayer, tensor: GpuTensor, { block, isSinks }: AttendItem, isExact: boolean) => {
  if (!isExact)
    return { buffer: block![tensor.format.kind], region: blockRegion(tensor.format, block!, shape.kvHeads) };
  return { buffer: tensor.exact!, region: (isSinks ? sinkRegion : ringRegion)(tensor.tiles) };
};

/** Tokens of a call are taken in pieces. */
export const eachPiece = (tokens: number, visit: (first: number, count: number) => void): void => {
  for (let first = 0; first < tokens; first += PIECE_TOKENS) visit(first, Math.min(PIECE_TOKENS, tokens - first));
};
