import type { Part } from "@kvtuner/plan";
import { type EncodedBlock, packCodes, type PartArray, unpackCodes } from "@kvtuner/quantizers";
import type { Arena } from "./arena.ts";
import { sharedBy, TILE_TOKENS } from "./layer-record.ts";
import type { PackedTensor, TokenRange } from "./packed-tensor.ts";

/** The records of a tensor, and scratch to copy through. */
export interface Records {
  readonly arena: Arena;
  /** Address of the layer's record. */
  readonly layer: number;
  readonly tensor: PackedTensor;
  readonly scratch: number;
}

/** Those of one KV head. */
export interface RecordsOfHead extends Records {
  readonly head: number;
}

/** Copies coded tokens into a block of as many tokens. */
export const readRecords = (records: RecordsOfHead, { from, to }: TokenRange, block: EncodedBlock): void => {
  const { headSize, scheme } = records.tensor;
  const codes = new Uint8Array((to - from) * headSize);
  eachTile({ from, to }, (range) => {
    codes.set(readCodes(records, range), (range.from - from) * headSize);
    copyParameters(records, range, range.from - from, block, "read");
  });
  block["codes"]!.set(packCodes(codes, scheme.bits));
};

/** Copies coded tokens out of a block of as many tokens. */
export const writeRecords = (records: RecordsOfHead, { from, to }: TokenRange, block: EncodedBlock): void => {
  const { headSize, scheme } = records.tensor;
  const codes = unpackCodes(block["codes"] as Uint8Array, scheme.bits, (to - from) * headSize);
  eachTile({ from, to }, (range) => {
    const [start, end] = [range.from - from, range.to - from];
    writeCodes(records, range, codes.subarray(start * headSize, end * headSize));
    copyParameters(records, range, start, block, "write");
  });
};

/** Visits the part of a range that is in each tile. */
const eachTile = ({ from, to }: TokenRange, visit: (range: TokenRange) => void): void => {
  for (let start = from; start < to;) {
    const end = Math.min(to, (Math.floor(start / TILE_TOKENS) + 1) * TILE_TOKENS);
    visit({ from: start, to: end });
    start = end;
  }
};

/** A byte a code, in the order of the image. */
const readCodes = (records: RecordsOfHead, { from, to }: TokenRange): Uint8Array => {
  const { arena, layer, tensor, head, scratch } = records;
  if (tensor.stored.kind === "float8") return bytesOf(records, { from, to });
  arena.kernels.readCodes(layer, Number(tensor.kind === "value"), head, from, to, scratch);
  return arena.bytes.subarray(scratch, scratch + (to - from) * tensor.headSize);
};

/**
 * An image stores the groups of one token together, a record the tokens of one group.
 *
 * @param range tokens of one tile
 * @param place of the range in the image
 */
const copyParameters = (
  { arena, tensor, head }: RecordsOfHead,
  { from, to }: TokenRange,
  place: number,
  image: EncodedBlock,
  way: "read" | "write",
): void => {
  const { layout, scheme } = tensor;
  const record = tensor.record(head, Math.floor(from / TILE_TOKENS));
  const inTile = from % TILE_TOKENS;
  for (const { name, dtype, elements, offset } of layout.parts) {
    if (name === "codes") continue;
    const copy = copierOf(image[name]!, arena, dtype, record + offset, way);
    const blockSize = sharedBy(tensor.stored, name);
    if (blockSize) {
      copyShared(blockSize, scheme.isChannel ? tensor.headSize : 1, { from, to }, place, copy);
      continue;
    }
    const groups = elements / TILE_TOKENS;
    const start = groups * place;
    for (let index = 0; index < groups * (to - from); index++)
      copy(
        start + index,
        scheme.isChannel
          ? groups * inTile + index
          : (index % groups) * TILE_TOKENS + inTile + Math.floor(index / groups),
      );
  }
};

/** Copies one number between its places in an image and in a part of a record. */
type Copy = (inImage: number, inRecord: number) => void;

const copierOf = (
  numbers: PartArray,
  { bytes, halves }: Arena,
  dtype: Part["dtype"],
  address: number,
  way: "read" | "write",
): Copy => {
  const [memory, first] = dtype === "uint8" ? [bytes, address] : [halves, address / 2];
  return way === "read"
    ? (inImage, inRecord) => void (numbers[inImage] = memory[first + inRecord]!)
    : (inImage, inRecord) => void (memory[first + inRecord] = numbers[inImage]!);
};

/** Copies the numbers that the tokens of each block share, `width` for a block. The image begins with a block. */
const copyShared = (blockSize: number, width: number, { from, to }: TokenRange, place: number, copy: Copy): void => {
  const firstOfImage = Math.floor((from - place) / blockSize);
  const firstOfTile = Math.floor((from - (from % TILE_TOKENS)) / blockSize);
  for (let block = Math.floor(from / blockSize); block < Math.ceil(to / blockSize); block++)
    for (let index = 0; index < width; index++)
      copy((block - firstOfImage) * width + index, (block - firstOfTile) * width + index);
};

const writeCodes = (records: RecordsOfHead, { from, to }: TokenRange, codes: Uint8Array): void => {
  const { arena, layer, tensor, head, scratch } = records;
  if (tensor.stored.kind === "float8") return bytesOf(records, { from, to }).set(codes);
  arena.bytes.set(codes, scratch);
  arena.kernels.writeCodes(layer, Number(tensor.kind === "value"), head, from, to, scratch);
};

/** The codes of some tokens of one tile, token by token; codec `float8`. */
const bytesOf = ({ arena, tensor, head }: RecordsOfHead, { from, to }: TokenRange): Uint8Array => {
  const { headSize } = tensor;
  const start = tensor.record(head, Math.floor(from / TILE_TOKENS)) + (from % TILE_TOKENS) * headSize;
  return arena.bytes.subarray(start, start + (to - from) * headSize);
};
