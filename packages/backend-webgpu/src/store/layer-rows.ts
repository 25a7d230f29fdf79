import { Commands } from "../device/commands.ts";
import type { Engine } from "../device/engine.ts";
import type { GpuLayer, GpuTensor } from "./gpu-layer.ts";
import { readCodes, readRing, readSinks } from "./read-rows.ts";
import { packedTokens } from "./tensor-format.ts";
import { type Work, workOn } from "./work.ts";

/** Decoded keys and values, rounded to float16; float32 `[tokens, kvHeads * headSize]`. */
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
  const { kvHeads, headSize } = layer.shape;
  const sizeBytes = 4 * count * kvHeads * headSize;
  const staging = await engine.staging.take(2 * sizeBytes);
  const commands = new Commands(engine);
  const work = workOn(engine, commands, layer);
  for (const [index, tensor] of [layer.key, layer.value].entries()) {
    readTensor(work, tensor, first, count);
    commands.copy(engine.workspace.get("rows").gpu, 0, staging.gpu, index * sizeBytes, sizeBytes);
  }
  commands.submit();
  const rows = new Float32Array(await engine.staging.read(staging, 2 * sizeBytes));
  return { key: rows.subarray(0, sizeBytes / 4), value: rows.subarray(sizeBytes / 4) };
};

const readTensor = (work: Work, tensor: GpuTensor, first: number, count: number): void => {
  const { length, scheme } = work.layer;
  const { sinks } = scheme.residency;
  const end = first + count;
  const sinkEnd = Math.max(first, Math.min(end, sinks));
  if (first < sinkEnd) readSinks(work, tensor, first, sinkEnd, 0);
  const codesEnd = Math.max(sinkEnd, Math.min(end, sinks + packedTokens(tensor.format, length)));
  if (sinkEnd < codesEnd) readCodes(work, tensor, sinkEnd - sinks, codesEnd - sinks, sinkEnd - first);
  if (codesEnd < end) readRing(work, tensor, codesEnd - sinks, end - sinks, codesEnd - first, false);
};
