import { PIECE_TOKENS } from "../device/workspace.ts";
import { rowKernels } from "../kernels/row-kernels.ts";
import { type Block, eachBlock } from "./blocks.ts";
import type { GpuTensor } from "./gpu-layer.ts";
import { readRing } from "./read-rows.ts";
import { blockRegion, ringRegion } from "./region.ts";
import { groupTokens } from "./tensor-format.ts";
import { writeCodes } from "./transform-codes.ts";
import type { Work } from "./work.ts";

/** Encodes exact tokens `from .. to - 1`, counted after the sinks, in whole groups. */
export const encodePrefix = (work: Work, tensor: GpuTensor, from: number, to: number): void => {
  if (tensor.format.transform) return writeCodes(work, tensor, from, to);
  const encode = tensor.format.isChannel ? encodeColumns : encodeRows;
  eachBlock(work.layer, from, to, (block, start, end) => encode(work, tensor, block, start, end));
};

const encodeRows = (work: Work, { format, tiles, exact }: GpuTensor, block: Block, from: number, to: number): void => {
  const { commands, engine, layer } = work;
  const { kvHeads } = layer.shape;
  const regions = [...ringRegion(tiles), ...blockRegion(format, block, kvHeads)];
  commands.run(
    engine.kernel(rowKernels(format.headSize).encodeRows),
    [exact!, block[format.kind]],
    [...regions, from, format.bits, format.stride, Number(format.isRotated)],
    [to - from, kvHeads],
  );
};

const encodeColumns = (work: Work, tensor: GpuTensor, block: Block, from: number, to: number): void => {
  const { commands, engine, layer } = work;
  const { format } = tensor;
  const { kvHeads } = layer.shape;
  for (let first = from; first < to; first += PIECE_TOKENS) {
    const end = Math.min(to, first + PIECE_TOKENS);
    readRing(work, tensor, first, end, 0, format.isRotated);
    commands.run(
      engine.kernel(rowKernels(format.headSize).encodeColumns),
      [engine.workspace.get("rows"), block[format.kind]],
      [...blockRegion(format, block, kvHeads), first, format.bits, kvHeads],
      [(end - first) / groupTokens(format), Math.ceil(format.headSize / 32), kvHeads],
    );
  }
};
