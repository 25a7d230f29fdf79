import { Commands } from "../device/commands.ts";
import type { Engine } from "../device/engine.ts";
import type { GpuLayer, GpuTensor } from "./gpu-layer.ts";
import { readCodes, readRing, readSinks } from "./read-rows.ts";
import { packedTokens } from "./tensor-format.ts";
import { decodedRows } from "./transform-codes.ts";
import { type Work, workOn } from "./work.ts";

/** Decoded keys and values, rounded to float16; float32 `[tokens, kvHeads * headSize]`, values of their own size. */
export interface LayerRows {
  readonly key: Float32Array;
  readonly value: Float32Array;
}

/** Downloads up to one piece of a layer's tokens. */
export const readLayerRows = async (
  engine: Engine,
  layer: GpuLayer,
  first: number,
  count: number,
): Promise<LayerRows> => {
  const [keyBytes, valueBytes] = [layer.key, layer.value].map(
    ({ format }) => 4 * count * layer.shape.kvHeads * format.headSize,
  ) as [number, number];
  const staging = await engine.staging.take(keyBytes + valueBytes);
  const commands = new Commands(engine);
  const work = workOn(engine, commands, layer);
  const rowsOf = (tensor: GpuTensor, start: number, sizeBytes: number): void => {
    readTensor(work, tensor, first, count);
    commands.copy(engine.workspace.get("rows").gpu, 0, staging.gpu, start, sizeBytes);
  };
  rowsOf(layer.key, 0, keyBytes);
  rowsOf(layer.value, keyBytes, valueBytes);
  commands.submit();
  const rows = new Float32Array(await engine.staging.read(staging, keyBytes + valueBytes));
  const parts = { key: rows.subarray(0, keyBytes / 4), value: rows.subarray(keyBytes / 4) };
  for (const tensor of [layer.key, layer.value])
    if (tensor.format.transform) await decodeInto(engine, layer, tensor, first, parts[tensor.format.kind]);
  return parts;
};

/** Decodes codes of the codec `transform` into rows of the tokens from `first` on. */
const decodeInto = async (
  engine: Engine,
  layer: GpuLayer,
  tensor: GpuTensor,
  first: number,
  rows: Float32Array,
): Promise<void> => {
  const { format } = tensor;
  const width = layer.shape.kvHeads * format.headSize;
  const from = Math.max(0, first - format.sinks);
  const to = Math.min(packedTokens(format, layer.length), first + rows.length / width - format.sinks);
  if (from < to)
    rows.set(await decodedRows(engine, layer, tensor, { from, to }), (from + format.sinks - first) * width);
};

const readTensor = (work: Work, tensor: GpuTensor, first: number, count: number): void => {
  const { length, scheme } = work.layer;
  const { sinks } = scheme.residency;
  const end = first + count;
  const sinkEnd = Math.max(first, Math.min(end, sinks));
  if (first < sinkEnd) readSinks(work, tensor, first, sinkEnd, 0);
  const codesEnd = Math.max(sinkEnd, Math.min(end, sinks + packedTokens(tensor.format, length)));
  if (sinkEnd < codesEnd && !tensor.format.transform)
    readCodes(work, tensor, sinkEnd - sinks, codesEnd - sinks, sinkEnd - first);
  if (codesEnd < end) readRing(work, tensor, codesEnd - sinks, end - sinks, codesEnd - first, false);
};
