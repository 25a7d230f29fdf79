import type { Buffer } from "../device/buffer.ts";
import { rowKernels } from "../kernels/row-kernels.ts";
import { eachBlock } from "./blocks.ts";
import type { GpuTensor } from "./gpu-layer.ts";
import { blockRegion, ringRegion, sinkRegion } from "./region.ts";
import { exactFormat, type TensorFormat } from "./tensor-format.ts";
import type { Work } from "./work.ts";

/** Decodes tokens, counted after the sinks, to rows of float16 precision in the workspace's rows, from row `row` on. */
export const readCodes = (work: Work, { format }: GpuTensor, from: number, to: number, row = 0): void => {
  const { shape } = work.layer;
  eachBlock(work.layer, from, to, (block, start, end) =>
    read(work, block[format.kind], {
      format,
      region: blockRegion(format, block, shape.kvHeads),
      first: start,
      row: row + start - from,
      count: end - start,
      isRotated: format.isRotated,
      isRounded: true,
    }),
  );
};

/** Reads exact rows of tokens counted after the sinks; `isRotated` transforms them, for encoding. */
export const readRing = (
  work: Work,
  tensor: GpuTensor,
  from: number,
  to: number,
  row: number,
  isRotated: boolean,
): void => {
  const format = exactFormat(tensor.format);
  const region = ringRegion(tensor.tiles);
  read(work, tensor.exact!, { format, region, first: from, row, count: to - from, isRotated, isRounded: false });
};

export const readSinks = (work: Work, tensor: GpuTensor, from: number, to: number, row: number): void => {
  const format = exactFormat(tensor.format);
  const region = sinkRegion(tensor.tiles);
  read(work, tensor.exact!, { format, region, first: from, row, count: to - from, isRotated: false, isRounded: false });
};

interface Source {
  readonly format: TensorFormat;
  readonly region: readonly number[];
  readonly first: number;
  readonly row: number;
  readonly count: number;
  readonly isRotated: boolean;
  readonly isRounded: boolean;
}

const read = ({ commands, engine, layer }: Work, data: Buffer, source: Source): void => {
  const { format, region, first, row, count } = source;
  const { kvHeads } = layer.shape;
  const flags = [format.isChannel, source.isRotated, source.isRounded].map(Number);
  commands.run(
    engine.kernel(rowKernels(format.headSize).readRows),
    [data, engine.workspace.get("rows")],
    [...region, first, row, kvHeads, format.bits, format.stride, ...flags],
    [count, kvHeads],
  );
};
