import type { Buffer } from "../device/buffer.ts";
import { rowKernels } from "../kernels/row-kernels.ts";
import { eachBlock } from "./blocks.ts";
import type { GpuTensor } from "./gpu-layer.ts";
import { blockRegion, ringRegion, sinkRegion } from "./region.ts";
import type { Work } from "./work.ts";

/** Source of float32 rows `[tokens, kvHeads * headSize]`. */
export interface RowSource {
  readonly buffer: Buffer;
  /** Index of the first number. */
  readonly start: number;
}

/** Writes rows of tokens `first .. first + tokens - 1` as float16, sinks included. */
export const writeRows = (work: Work, tensor: GpuTensor, source: RowSource, first: number, tokens: number): void => {
  const { sinks } = tensor.format;
  const end = first + tokens;
  const sinkEnd = Math.min(sinks, end);
  if (first < sinkEnd)
    append(work, tensor, source, {
      rows: tensor.exact!,
      region: sinkRegion(tensor.tiles),
      first,
      row: 0,
      count: sinkEnd - first,
      isFirst: first === 0,
    });
  const start = Math.max(first, sinks);
  if (start < end) writeBehindSinks(work, tensor, source, start - sinks, end - start, start - first, start === 0);
};

/** The same for tokens counted after the sinks, starting at source row `row`. */
export const writeBehindSinks = (
  work: Work,
  tensor: GpuTensor,
  source: RowSource,
  first: number,
  count: number,
  row: number,
  isFirst: boolean,
): void => {
  const { format, tiles } = tensor;
  if (format.isCoded)
    return append(work, tensor, source, { rows: tensor.exact!, region: ringRegion(tiles), first, row, count, isFirst });
  const { shape } = work.layer;
  eachBlock(work.layer, first, first + count, (block, from, to) =>
    append(work, tensor, source, {
      rows: block[format.kind],
      region: blockRegion(format, block, shape.kvHeads),
      first: from,
      row: row + from - first,
      count: to - from,
      isFirst: isFirst && from === first,
    }),
  );
};

interface Target {
  readonly rows: Buffer;
  readonly region: readonly number[];
  readonly first: number;
  readonly row: number;
  readonly count: number;
  /** True when the first row starts the sequence. */
  readonly isFirst: boolean;
}

const append = (
  { commands, engine, layer }: Work,
  { format }: GpuTensor,
  source: RowSource,
  { rows, region, first, row, count, isFirst }: Target,
): void => {
  const { kvHeads } = layer.shape;
  const isFirstKey = Number(isFirst && format.kind === "key");
  commands.run(
    engine.kernel(rowKernels(format.headSize).append),
    [source.buffer, rows, layer.middles],
    [...region, first, row, source.start, kvHeads, format.stride, isFirstKey, layer.mark],
    [count, kvHeads],
  );
};
