import { Commands } from "../device/commands.ts";
import type { Engine } from "../device/engine.ts";
import { PIECE_TOKENS } from "../device/workspace.ts";
import type { GpuLayer, GpuTensor } from "./gpu-layer.ts";
import { readCodes } from "./read-rows.ts";
import { firstBehind, packedTokens } from "./tensor-format.ts";
import { type Work, workOn } from "./work.ts";
import { writeBehindSinks } from "./write-rows.ts";

/** Drops the tokens from `length` on. First decodes the tokens that are codes now but must be exact then. */
export const truncateLayer = (engine: Engine, layer: GpuLayer, length: number): void => {
  if (length >= layer.length) return;
  const commands = new Commands(engine);
  if (length > 0) decodeBehind(workOn(engine, commands, layer), length);
  layer.length = length;
  layer.release(engine, length);
  if (length === 0) clearBuffers(commands, layer);
  commands.submit();
};

const decodeBehind = (work: Work, length: number): void => {
  for (const tensor of [work.layer.key, work.layer.value]) decodeExact(work, tensor, length);
};

/** Zeros all rows: an infinity in masked rows would still give NaN, as 0 times infinity. */
const clearBuffers = (commands: Commands, { key, value, middles, blocks }: GpuLayer): void => {
  const ofBlocks = blocks.flatMap((block) => [block.key, block.value]);
  for (const buffer of [key.exact, value.exact, middles, ...ofBlocks]) if (buffer) commands.clear(buffer);
};

const decodeExact = (work: Work, tensor: GpuTensor, length: number): void => {
  const { format } = tensor;
  if (!format.isCoded) return;
  const from = Math.max(packedTokens(format, length), firstBehind(format, length));
  const to = Math.min(packedTokens(format, work.layer.length), length - format.sinks);
  const source = { buffer: work.engine.workspace.get("rows"), start: 0 };
  for (let first = from; first < to; first += PIECE_TOKENS) {
    const end = Math.min(to, first + PIECE_TOKENS);
    readCodes(work, tensor, first, end);
    writeBehindSinks(work, tensor, source, first, end - first, 0, false);
  }
};
