import type { HeadImage } from "@kvtuner/backend";
import { blockTokens } from "@kvtuner/plan";
import type { EncodedBlock } from "@kvtuner/quantizers";
import { emptyTensor, isQuantized, prefixAt, type StoredTensor, type TensorLayout } from "./stored-tensor.ts";

/** A tensor as snapshots hold it, one image a KV head. */
export const imagesOf = ({ layout, blocks, exact }: StoredTensor): HeadImage[] => {
  const { headSize } = layout;
  const tokens = [...exact.keys()].sort((a, b) => a - b);
  return blocks.map((held, head) => {
    const rows = tokens.map((token) => exact.get(token)!.subarray(head * headSize, (head + 1) * headSize));
    return { prefix: joined(held), exact: joinedHalves(rows) };
  });
};

const joined = (blocks: readonly EncodedBlock[]): EncodedBlock => ({
  codes: Uint8Array.from(blocks.flatMap(({ codes }) => [...codes])),
  scales: joinedHalves(blocks.map(({ scales }) => scales)),
  minima: joinedHalves(blocks.map(({ minima }) => minima)),
});

const joinedHalves = (parts: readonly Uint16Array[]): Uint16Array =>
  Uint16Array.from(parts.flatMap((part) => [...part]));

/** The tensor of `length` tokens whose images these are. */
export const tensorFromImages = (layout: TensorLayout, length: number, images: readonly HeadImage[]): StoredTensor => {
  const tensor = emptyTensor(layout);
  const blockCount = prefixAt(layout, length) / blockTokens(layout.scheme);
  for (const [head, { prefix }] of images.entries())
    for (const block of split(prefix, blockCount)) tensor.blocks[head]!.push(block);
  let row = 0;
  for (let token = 0; token < length; token++)
    if (!isQuantized(layout, token, length)) tensor.exact.set(token, exactRow(layout, images, row++));
  tensor.length = length;
  return tensor;
};

const split = ({ codes, scales, minima }: EncodedBlock, count: number): EncodedBlock[] =>
  Array.from({ length: count }, (_, index) => ({
    codes: part(codes, index, count),
    scales: part(scales, index, count),
    minima: part(minima, index, count),
  }));

const part = <Numbers extends Uint8Array | Uint16Array>(numbers: Numbers, index: number, count: number): Numbers =>
  numbers.slice((index * numbers.length) / count, ((index + 1) * numbers.length) / count) as Numbers;

const exactRow = ({ kvHeads, headSize }: TensorLayout, images: readonly HeadImage[], row: number): Uint16Array => {
  const bits = new Uint16Array(kvHeads * headSize);
  for (const [head, { exact }] of images.entries())
    bits.set(exact.subarray(row * headSize, (row + 1) * headSize), head * headSize);
  return bits;
};
