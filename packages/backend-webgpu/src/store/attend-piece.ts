import type { AttentionSpec, LayerShape } from "@kvtuner/plan";
import type { Engine } from "../device/engine.ts";
import { inputPlaces } from "../device/workspace.ts";
import { type AttendKernel, attendSource } from "../kernels/attend-kernel.ts";
import { projectSource } from "../kernels/project-kernel.ts";
import { reduceSource } from "../kernels/reduce-kernel.ts";
import { rowKernels } from "../kernels/row-kernels.ts";
import { HEADER_WORDS } from "../transform/transform-tables.ts";
import { type AttendItem, visibleRange } from "./attend-items.ts";
import { attendGroups, type AttendPlan, type PlannedItem, projectsQueries } from "./attend-plan.ts";
import type { GpuLayer, GpuTensor } from "./gpu-layer.ts";
import { blockRegion, ringRegion, sinkRegion } from "./region.ts";
import type { Work } from "./work.ts";

/**
 * Attends with a reader's queries in the workspace's inputs: computes partial sums of each item, then reduces them into the
 * workspace's outputs, float32 `[tokens, queryHeads * valueSize]`.
 */
export const attendPiece = (work: Work, plan: AttendPlan): void => {
  const { key, value } = work.layer;
  if (key.format.isRotated) rotateQueries(work, plan);
  if (projectsQueries(work.layer)) projectQueries(work, plan);
  let partial = 0;
  let rotated = 0;
  for (const planned of plan.items) {
    attendItem(work, plan, planned, partial);
    partial += planned.splits;
    if ((value.format.isRotated || value.format.transform) && !planned.item.isValueExact) rotated = partial;
  }
  reduce(work, plan, partial, rotated);
};

const reduce = (
  { engine, commands, layer: { middles, mark, tables, value } }: Work,
  { reader: { shape, spec, sinkLogits }, tokens }: AttendPlan,
  partials: number,
  rotated: number,
): void => {
  const { workspace } = engine;
  const { queryHeads, kvHeads } = shape;
  const vectors = tokens * queryHeads;
  const counts = [partials, rotated, vectors, inputPlaces(shape, engine.limits).query, mark];
  commands.run(
    engine.kernel(reduceSource(shape, spec, value.format.transform !== undefined)),
    [
      ...PARTIALS.map((name) => workspace.get(name)),
      middles,
      workspace.get("outputs"),
      ...(sinkLogits ? [sinkLogits] : []),
      ...(value.format.transform ? [tables!] : []),
    ],
    [...counts, queryHeads, queryHeads / kvHeads, floatBits(spec.scale * Math.LOG2E), ...tableWords(value)],
    [vectors],
  );
};

/** Start of the KV heads in the tables, words of each, and whether they have a matrix. */
const tableWords = ({ format: { transform, tablesStart, headWords } }: GpuTensor): number[] => [
  tablesStart + HEADER_WORDS,
  headWords,
  Number(transform?.hasMatrix ?? false),
];

const PARTIALS = ["partials", "statistics", "inputs"] as const;

const rotateQueries = ({ engine, commands }: Work, { reader: { shape }, tokens }: AttendPlan): void => {
  const { query, rotatedQuery } = inputPlaces(shape, engine.limits);
  const { queryHeads } = shape;
  commands.run(
    engine.kernel(rowKernels(shape.headSize).rotateRows),
    [engine.workspace.get("inputs")],
    [query, rotatedQuery, queryHeads],
    [tokens, queryHeads],
  );
};

const projectQueries = (
  { engine, commands, layer: { key, tables } }: Work,
  { reader: { shape }, tokens }: AttendPlan,
): void => {
  const { query, rotatedQuery } = inputPlaces(shape, engine.limits);
  const { queryHeads, kvHeads, headSize } = shape;
  commands.run(
    engine.kernel(projectSource(headSize)),
    [engine.workspace.get("inputs"), tables!],
    [query, rotatedQuery, queryHeads, queryHeads / kvHeads, ...tableWords(key)],
    [tokens, queryHeads],
  );
};

const attendItem = (work: Work, plan: AttendPlan, planned: PlannedItem, firstPartial: number): void => {
  const { engine, commands, layer } = work;
  const { item, kernel } = planned;
  const { reader } = plan;
  const { workspace, variant } = engine;
  const [keys, values] = [
    sideOf(layer, layer.key, item, item.isKeyExact),
    sideOf(layer, layer.value, item, item.isValueExact),
  ];
  const isRotated = layer.key.format.isRotated && !item.isKeyExact;
  const isProjected = projectsQueries(layer) && !item.isKeyExact;
  commands.run(
    engine.kernel(attendSource(kernel, variant)),
    [
      keys.buffer,
      values.buffer,
      workspace.get("inputs"),
      layer.middles,
      workspace.get("partials"),
      workspace.get("statistics"),
      ...(kernel.key.form || kernel.value.form ? [layer.tables!] : []),
    ],
    [
      ...keys.region,
      ...values.region,
      ...callWords(plan, planned, firstPartial),
      ...(isRotated
        ? rotatedStarts(engine, reader.shape)
        : [isProjected ? inputPlaces(reader.shape, engine.limits).rotatedQuery / 4 : 0, 0]),
      ...formatWords(kernel),
      ...factorWords(reader.spec),
      ...visibleWords(plan, item),
    ],
    attendGroups(planned, plan.tokens, reader.shape),
  );
};

const callWords = (
  { reader: { shape }, tokens }: AttendPlan,
  { item, tilesInSplit }: PlannedItem,
  firstPartial: number,
): number[] => {
  const group = shape.queryHeads / shape.kvHeads;
  const tiles = [item.firstTile, item.endTile, tilesInSplit, firstPartial];
  return [...tiles, tokens * group, group, shape.kvHeads];
};

/** Scale and cap, times log2(e), and the words that align what follows. */
const factorWords = ({ scale, softcap = 0 }: AttentionSpec): number[] => [
  floatBits(scale * Math.LOG2E),
  floatBits(softcap * Math.LOG2E),
  0,
  0,
  0,
];

/** A number as the word that a kernel reads as f32. */
const floatBits = (number: number): number => new Uint32Array(Float32Array.of(number).buffer)[0]!;

/** Formats for the kernel that serves all; specialized kernels have them as constants. */
const formatWords = ({ key, value, headSize, vectors }: AttendKernel): number[] => [
  key.bits,
  value.bits,
  Number(key.isChannel),
  headSize / 16,
  4,
  vectors,
];

/** Start of transformed queries and of transformed middles, in vectors of four. */
const rotatedStarts = ({ limits }: Engine, shape: LayerShape): number[] => [
  inputPlaces(shape, limits).rotatedQuery / 4,
  (shape.kvHeads * shape.headSize) / 4,
];

/** Which tokens each query reads. */
const visibleWords = ({ reader, position, tokens }: AttendPlan, item: AttendItem): number[] =>
  Array.from({ length: tokens }, (_, token) => visibleRange(reader, item, position + token + 1)).flat();

const sideOf = ({ shape }: GpuLayer, tensor: GpuTensor, { block, isSinks }: AttendItem, isExact: boolean) => {
  if (!isExact)
    return { buffer: block![tensor.format.kind], region: blockRegion(tensor.format, block!, shape.kvHeads) };
  return { buffer: tensor.exact!, region: (isSinks ? sinkRegion : ringRegion)(tensor.tiles) };
};
