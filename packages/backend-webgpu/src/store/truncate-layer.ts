import { Commands } from "../device/commands.ts";
import type { Engine } from "../device/engine.ts";
import { PIECE_TOKENS } from "../device/workspace.ts";
import type { GpuLayer, GpuTensor } from "./gpu-layer.ts";
import { readCodes } from "./read-rows.ts";
import { firstBehind, packedTokens, type TokenRange } from "./tensor-format.ts";
import { decodedRows } from "./transform-codes.ts";
import { type Work, workOn } from "./work.ts";
import { writeBehindSinks } from "./write-rows.ts";

/**
 * Drops the tokens from `length` on. First decodes the tokens that are codes now but must be exact then; codes of the codec `transform`
 * are for {@link restoreExactRows} to decode before.
 */
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
  if (!format.isCoded || format.transform) return;
  const { from, to } = exactAgain(tensor, work.layer.length, length);
  const source = { buffer: work.engine.workspace.get("rows"), start: 0 };
  for (let first = from; first < to; first += PIECE_TOKENS) {
    const end = Math.min(to, first + PIECE_TOKENS);
    readCodes(work, tensor, first, end);
    writeBehindSinks(work, tensor, source, first, end - first, 0, false);
  }
};

/** Tokens that are codes in a cache of `held` tokens but exact in one of `length`, counted after the sinks. */
const exactAgain = ({ format }: GpuTensor, held: number, length: number): TokenRange => ({
  from: Math.max(packedTokens(format, length), firstBehind(format, length)),
  to: Math.min(packedTokens(format, held), length - format.sinks),
});

/** Decodes on the CPU what {@link truncateLayer} will need as exact rows, of tensors of the codec `transform`. */
export const restoreExactRows = async (engine: Engine, layer: GpuLayer, length: number): Promise<void> => {
  if (length === 0 || length >= layer.length) return;
  for (const tensor of [layer.key, layer.value]) {
    if (!tensor.format.transform) continue;
    const { from, to } = exactAgain(tensor, layer.length, length);
    for (let first = from; first < to; first += PIECE_TOKENS) {
      const count = Math.min(PIECE_TOKENS, to - first);
      const rows = await decodedRows(engine, layer, tensor, { from: first, to: first + count });
      const target = engine.workspace.get("rows");
      engine.device.queue.writeBuffer(target.gpu, 0, rows as Float32Array<ArrayBuffer>);
      const commands = new Commands(engine);
      writeBehindSinks(workOn(engine, commands, layer), tensor, { buffer: target, start: 0 }, first, count, 0, false);
      commands.submit();
    }
  }
};
