import type { HeadImage } from "@kvtuner/backend";
import { type EncodedBlock, packCodes, type TransformBlock, unpackCodes } from "@kvtuner/quantizers";
import { TILE_TOKENS } from "./layer-record.ts";
import type { PackedLayer } from "./packed-layer.ts";
import type { PackedTensor, TokenRange } from "./packed-tensor.ts";
import { copyBlock } from "./transform/coded-rows.ts";
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
  const { headSize } = tensor;
  const coded = tensor.codes(layer.length);
  const image = tensor.emptyPrefix(layer.length, head);
  if (tensor.coder) {
    copyBlock(layer.codedPlace(tensor), head, coded, image as TransformBlock, "read");
    return { prefix: image, exact: exactRows(place) };
  }
  const codes = new Uint8Array((coded.to - coded.from) * headSize);
  eachTile(coded, (range) => {
    codes.set(readCodes(place, range), (range.from - coded.from) * headSize);
    copyParameters(place, range, range.from - coded.from, image, "read");
  });
  image["codes"]!.set(packCodes(codes, tensor.scheme.bits));
  return { prefix: image, exact: exactRows(place) };
};

/** Visits the part of a range that is in each tile. */
const eachTile = ({ from, to }: TokenRange, visit: (range: TokenRange) => void): void => {
  for (let start = from; start < to;) {
    const end = Math.min(to, (Math.floor(start / TILE_TOKENS) + 1) * TILE_TOKENS);
    visit({ from: start, to: end });
    start = end;
  }
};

const readCodes = ({ layer, tensor, head, workspace }: Place, { from, to }: TokenRange): Uint8Array => {
  const { kernels, bytes } = layer.arena;
  kernels.readCodes(layer.address, Number(tensor.kind === "value"), head, from, to, workspace.scratch);
  return bytes.subarray(workspace.scratch, workspace.scratch + (to - from) * tensor.headSize);
};

/**
 * An image stores the groups of one token together, a record the tokens of one group.
 *
 * @param range tokens of one tile
 * @param place of the range in the image
 */
const copyParameters = (
  { layer, tensor, head }: Place,
  { from, to }: TokenRange,
  place: number,
  image: EncodedBlock,
  way: "read" | "write",
): void => {
  const { layout, scheme } = tensor;
  const { halves } = layer.arena;
  const record = tensor.record(head, Math.floor(from / TILE_TOKENS));
  const inTile = from % TILE_TOKENS;
  for (const { name, elements, offset } of layout.parts) {
    if (name === "codes") continue;
    const numbers = image[name]!;
    const groups = elements / TILE_TOKENS;
    const start = groups * place;
    for (let index = 0; index < groups * (to - from); index++) {
      const inRecord = scheme.isChannel
        ? groups * inTile + index
        : (index % groups) * TILE_TOKENS + inTile + Math.floor(index / groups);
      const at = (record + offset) / 2 + inRecord;
      if (way === "read") numbers[start + index] = halves[at]!;
      else halves[at] = numbers[start + index]!;
    }
  }
};

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
  const { layer, tensor } = place;
  const { headSize } = tensor;
  const coded = tensor.codes(layer.length);
  restoreExact(place, exact);
  if (tensor.coder) return copyBlock(layer.codedPlace(tensor), place.head, coded, image as TransformBlock, "write");
  const codes = unpackCodes(image["codes"] as Uint8Array, tensor.scheme.bits, (coded.to - coded.from) * headSize);
  eachTile(coded, (range) => {
    const [start, end] = [range.from - coded.from, range.to - coded.from];
    writeCodes(place, range, codes.subarray(start * headSize, end * headSize));
    copyParameters(place, range, start, image, "write");
  });
};

const restoreExact = ({ layer, tensor, head }: Place, exact: Uint16Array): void => {
  const { headSize } = tensor;
  for (const [row, token] of tensor.exactTokens(layer.length).entries())
    layer.arena.halves.set(exact.subarray(row * headSize, (row + 1) * headSize), tensor.rowIndex(head, token));
};

const writeCodes = ({ layer, tensor, head, workspace }: Place, { from, to }: TokenRange, codes: Uint8Array): void => {
  const { kernels, bytes } = layer.arena;
  bytes.set(codes, workspace.scratch);
  kernels.writeCodes(layer.address, Number(tensor.kind === "value"), head, from, to, workspace.scratch);
};
