import type { HeadImage } from "@kvtuner/backend";
import type { TransformBlock } from "@kvtuner/quantizers";
import type { PackedLayer } from "./packed-layer.ts";
import type { PackedTensor } from "./packed-tensor.ts";
import { type RecordsOfHead, readRecords, writeRecords } from "./records.ts";
import { copyBlock } from "./transform/coded-tokens.ts";
import type { Workspace } from "./workspace.ts";

/** Location of one KV head's keys or values. */
interface Place {
  readonly layer: PackedLayer;
  readonly tensor: PackedTensor;
  readonly head: number;
  readonly workspace: Workspace;
}

/** Keys or values of a layer as in a snapshot, one image per KV head. */
export const imagesOf = (layer: PackedLayer, tensor: PackedTensor, workspace: Workspace): HeadImage[] =>
  Array.from({ length: layer.shape.kvHeads }, (_, head) => headImage({ layer, tensor, head, workspace }));

const headImage = (place: Place): HeadImage => {
  const { layer, tensor, head } = place;
  const coded = tensor.codes(layer.length);
  const image = tensor.emptyPrefix(layer.length, head);
  if (tensor.coder) copyBlock(recordsOf(place), coded, image as TransformBlock, "read");
  else readRecords(recordsOf(place), coded, image);
  return { prefix: image, exact: exactRows(place) };
};

const recordsOf = ({ layer, tensor, head, workspace }: Place): RecordsOfHead => ({
  ...layer.recordsOf(tensor, workspace),
  head,
});

const exactRows = ({ layer, tensor, head }: Place): Uint16Array => {
  const { headSize } = tensor;
  const tokens = tensor.exactTokens(layer.length);
  const rows = new Uint16Array(tokens.length * headSize);
  for (const [row, token] of tokens.entries()) {
    const start = tensor.rowIndex(head, token);
    rows.set(layer.arena.halves.subarray(start, start + headSize), row * headSize);
  }
  return rows;
};

/** Fills a tensor of a layer with memory reserved and length set. */
export const restoreImages = (
  layer: PackedLayer,
  tensor: PackedTensor,
  workspace: Workspace,
  images: readonly HeadImage[],
): void => {
  for (const [head, image] of images.entries()) restoreHead({ layer, tensor, head, workspace }, image);
};

const restoreHead = (place: Place, { prefix: image, exact }: HeadImage): void => {
  const { layer, tensor, head } = place;
  const { headSize } = tensor;
  const coded = tensor.codes(layer.length);
  if (tensor.coder) copyBlock(recordsOf(place), coded, image as TransformBlock, "write");
  else writeRecords(recordsOf(place), coded, image);
  for (const [row, token] of tensor.exactTokens(layer.length).entries())
    layer.arena.halves.set(exact.subarray(row * headSize, (row + 1) * headSize), tensor.rowIndex(head, token));
};
