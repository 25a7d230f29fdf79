import { isReadByRows } from "./architecture/layer-inputs.ts";
import type { ModelHeader } from "./architecture/weights.ts";
import { blockLayout, hasBlockCodes } from "./gguf/block-codes.ts";
import { FILED_HEAD_BYTES } from "./segments/head-pieces.ts";
import { roundsTo8Bits, type WeightStorage } from "./weight-storage.ts";

/** What the segments of a model take when they are kept in files, in bytes. */
export interface SegmentMemory {
  /** Of all files. */
  readonly diskBytes: number;
  /** Memory of the process while all segments are open, without that of activations. */
  readonly anonymousBytes: number;
  /** Pages of the files in memory while all segments are open; the system can drop them. */
  readonly mappedBytes: number;
  /** The most memory of both kinds that one segment takes. */
  readonly largestBytes: number;
}

interface Sizes {
  readonly disk: number;
  readonly anonymous: number;
  readonly mapped: number;
}

const FLOAT32_BYTES = 4;
const LAYER = /^blk\.(\d+)\./;

/** Estimates from the header of a model what its segments take with `segmentFiles`, stored as `float32` or `stored-int8`. */
export const segmentMemory = (
  { tensors }: Pick<ModelHeader, "tensors">,
  storage: Exclude<WeightStorage, "stored">,
): SegmentMemory => {
  const segments = new Map<string, Sizes>();
  for (const [name, { dims, type = "F32" }] of tensors) {
    if (isReadByRows(name, tensors)) continue;
    const sizes = storage === "float32" ? floatSizes(dims) : int8Sizes(dims, type);
    const segment = LAYER.exec(name)?.[1] ?? "head";
    segments.set(segment, sum([segments.get(segment) ?? NOTHING, sizes]));
  }
  const all = [...segments.values()];
  const { disk, anonymous, mapped } = sum(all);
  const head = segments.get("head") ?? NOTHING;
  const pieces = Math.max(1, Math.ceil((FLOAT32_BYTES * headNumbers(tensors)) / FILED_HEAD_BYTES));
  const largest = all.map((one) => (one.anonymous + one.mapped) / (one === head ? pieces : 1));
  return {
    diskBytes: Math.ceil(disk),
    anonymousBytes: Math.ceil(anonymous),
    mappedBytes: Math.ceil(mapped),
    largestBytes: Math.ceil(Math.max(...largest)),
  };
};

const NOTHING: Sizes = { disk: 0, anonymous: 0, mapped: 0 };

const sum = (all: readonly Sizes[]): Sizes =>
  all.reduce(
    (total, { disk, anonymous, mapped }) => ({
      disk: total.disk + disk,
      anonymous: total.anonymous + anonymous,
      mapped: total.mapped + mapped,
    }),
    NOTHING,
  );

/** Without prepacking, ONNX Runtime computes with the pages of the file. */
const floatSizes = (dims: readonly number[]): Sizes => {
  const bytes = FLOAT32_BYTES * numbersOf(dims);
  return { disk: bytes, anonymous: 0, mapped: bytes };
};

/**
 * ONNX Runtime packs codes into memory of its own, each block with its scale and the sum of its codes. The scales and
 * offsets in the file stay mapped.
 */
const int8Sizes = (dims: readonly number[], type: string): Sizes => {
  if (dims.length < 2 || !(hasBlockCodes(type) || roundsTo8Bits(dims))) return floatSizes(dims);
  const { blockSize, bits, hasOffsets } = blockLayout(hasBlockCodes(type) ? type : "Q8_0");
  const numbers = numbersOf(dims);
  const [codes, scales] = [(numbers * bits) / 8, (FLOAT32_BYTES * numbers) / blockSize];
  const mapped = scales * (hasOffsets ? 2 : 1);
  return { disk: codes + mapped, anonymous: codes + 2 * scales, mapped };
};

const headNumbers = (tensors: ModelHeader["tensors"]): number =>
  numbersOf((tensors.get("output.weight") ?? tensors.get("token_embd.weight"))?.dims ?? []);

const numbersOf = (dims: readonly number[]): number => dims.reduce((product, dim) => product * dim, 1);
