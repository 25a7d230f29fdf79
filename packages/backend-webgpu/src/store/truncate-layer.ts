import { Commands } from "../device/commands.ts";
import type { Engine } from "../device/engine.ts";
import { eachPiece } from "./attend-piece.ts";
import type { GpuLayer, GpuTensor } from "./gpu-layer.ts";
import { readCodes } from "./read-rows.ts";
import { packedTokens } from "./tensor-format.ts";
import { type Work, workOn } from "./work.ts";
import { writeBehindSinks } from "./write-rows.ts";

/** Forgets the tokens from `length` on; those that must be exact now, but are held as codes, are decoded first. */
export const truncateLayer = (engine: Engine, layer: GpuLayer, length: number): void => {
  if (length >= layer.length) return;
  const commands = new Commands(engine);
  const work = workOn(engine, commands, layer);
  for (const tensor of [layer.key, layer.value]) decodeExact(work, tensor, length);
  commands.submit();
  if (length === 0) engine.device.queue.writeBuffer(layer.middles.gpu, 4 * layer.mark, NO_MARK);
  layer.length = length;
  layer.release(engine, length);
};

/** Nothing is left of what may have been wrong. */
const NO_MARK = new Float32Array(1);

const decodeExact = (work: Work, tensor: GpuTensor, length: number): void => {
  const { format } = tensor;
  if (format.bits === 16) return;
  const from = packedTokens(format, length);
  const to = Math.min(packedTokens(format, work.layer.length), length - format.sinks);
  const source = { buffer: work.engine.workspace.get("rows"), start: 0 };
  eachPiece(Math.max(0, to - from), (first, count) => {
    readCodes(work, tensor, from + first, from + first + count);
    writeBehindSinks(work, tensor, source, from + first, count, 0, false);
  });
};
