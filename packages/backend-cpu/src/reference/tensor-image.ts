import type { HeadImage } from "@kvtuner/backend";
import { blockTokens, schemeOfHead, type TensorScheme } from "@kvtuner/plan";
import { emptyBlock, type EncodedBlock, mapParts } from "@kvtuner/quantizers";
import {
  blockRange,
  emptyTensor,
  firstHeldAt,
  isQuantized,
  type StoredTensor,
  type TensorLayout,
} from "./stored-tensor.ts";

/** A tensor as in a snapshot, one image per KV head. */
export const imagesOf = ({ layout, blocks, exact }: StoredTensor): HeadImage[] => {
  const { headSize } = layout;
  const tokens = [...exact.keys()].sort((a, b) => a - b);
  return blocks.map((held, head) => {
    const rows = tokens.map((token) => exact.get(token)!.subarray(head * headSize, (head + 1) * headSize));
    return {
      prefix: joined([...held.values()], schemeOfHead(layout.scheme, head), headSize),
      exact: Uint16Array.from(rows.flatMap((row) => [...row])),
    };
  });
};

const joined = (blocks: readonly EncodedBlock[], scheme: TensorScheme, headSize: number): EncodedBlock =>
  mapParts(emptyBlock(blocks.length * blockTokens(scheme), headSize, scheme), (all, part) => {
    for (const [index, block] of blocks.entries()) all.set(block[part]!, index * block[part]!.length);
    return all;
  });

/** The tensor of `length` tokens with these images. */
export const tensorFromImages = (layout: TensorLayout, length: number, images: readonly HeadImage[]): StoredTensor => {
  const tensor = emptyTensor(layout);
  const [first, end] = blockRange(layout, length);
  for (const [head, { prefix }] of images.entries())
    for (const [index, block] of split(prefix, end - first).entries()) tensor.blocks[head]!.set(first + index, block);
  let row = 0;
  for (let token = firstHeldAt(layout, length); token < length; token++)
    if (!isQuantized(layout, token, length)) tensor.exact.set(token, exactRow(layout, images, row++));
  tensor.length = length;
  return tensor;
};

const split = (prefix: EncodedBlock, count: number): EncodedBlock[] =>
  Array.from({ length: count }, (_, index) =>
    mapParts(prefix, (all) => all.slice((index * all.length) / count, ((index + 1) * all.length) / count)),
  );

const exactRow = ({ kvHeads, headSize }: TensorLayout, images: readonly HeadImage[], row: number): Uint16Array => {
  const bits = new Uint16Array(kvHeads * headSize);
  for (const [head, { exact }] of images.entries())
    bits.set(exact.subarray(row * headSize, (row + 1) * headSize), head * headSize);
  return bits;
};
