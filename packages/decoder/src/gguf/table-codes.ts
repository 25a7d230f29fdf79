import { numberFromFloat16 } from "@kvtuner/quantizers";

/**
 * A type whose 4-bit codes index a table of 16 whole numbers: `number = scale * values[code]`, in blocks of 32 with the
 * codes of index and index + 16 in the low and high nibble of a byte. Layouts of ggml's `block_iq4_nl`, `block_iq4_xs`
 * and `block_mxfp4`: https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h
 */
export interface TableType {
  readonly values: Int8Array;
  /** Scale of a block, exact in float32. */
  readonly scaleOf: (source: DataView, block: number) => number;
  /** Byte offset of a block's 16 bytes of nibbles. */
  readonly nibblesAt: (block: number) => number;
}

const BLOCK = 32;
const HALF = BLOCK / 2;
const IQ4_XS_BYTES = 136;

/** ggml's `kvalues_iq4nl`: finer near 0, where most weights are. */
const IQ4_VALUES = Int8Array.of(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);
/** Twice the E2M1 numbers of the OCP Microscaling Formats specification 1.0, to be whole. */
const E2M1_VALUES = Int8Array.of(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);

/** Types of this kind by name. */
export const TABLE_TYPES: Readonly<Record<"IQ4_NL" | "IQ4_XS" | "MXFP4", TableType>> = {
  IQ4_NL: {
    values: IQ4_VALUES,
    scaleOf: (source, block) => numberFromFloat16(source.getUint16(18 * block, true)),
    nibblesAt: (block) => 18 * block + 2,
  },
  // Eight blocks in one: a float16 scale, 2 bytes of upper bit pairs and 4 of lower nibbles of the blocks' scales, codes.
  IQ4_XS: {
    values: IQ4_VALUES,
    scaleOf: (source, block) => {
      const [at, sub] = [(block >>> 3) * IQ4_XS_BYTES, block & 7];
      const low = (source.getUint8(at + 4 + (sub >>> 1)) >>> (4 * (sub & 1))) & 15;
      const high = (source.getUint16(at + 2, true) >>> (2 * sub)) & 3;
      return numberFromFloat16(source.getUint16(at, true)) * ((low | (high << 4)) - 32);
    },
    nibblesAt: (block) => (block >>> 3) * IQ4_XS_BYTES + 8 + (block & 7) * HALF,
  },
  // The scale is a power of two with a bias of 127, and half of it undoes the doubled values.
  MXFP4: {
    values: E2M1_VALUES,
    scaleOf: (source, block) => 2 ** (source.getUint8(17 * block) - 128),
    nibblesAt: (block) => 17 * block + 1,
  },
};

/** Decodes whole blocks into `target`. */
export const dequantizeTable =
  (type: TableType) =>
  (source: DataView, target: Float32Array): void => {
    for (let block = 0; block < target.length / BLOCK; block++)
      tableValues(type, source, block, type.scaleOf(source, block), target);
  };

/** Table values of `count` stored numbers, and the scales of their blocks. */
export const tableCodes = (
  type: TableType,
  source: DataView,
  count: number,
): { readonly codes: Int8Array; readonly scales: Float32Array } => {
  const codes = new Int8Array(count);
  const scales = Float32Array.from({ length: count / BLOCK }, (_, block) => type.scaleOf(source, block));
  for (let block = 0; block < scales.length; block++) tableValues(type, source, block, 1, codes);
  return { codes, scales };
};

const tableValues = (
  { values, nibblesAt }: TableType,
  source: DataView,
  block: number,
  scale: number,
  target: Float32Array | Int8Array,
): void => {
  const at = nibblesAt(block);
  for (let index = 0; index < HALF; index++) {
    const byte = source.getUint8(at + index);
    target[block * BLOCK + index] = scale * values[byte & 15]!;
    target[block * BLOCK + HALF + index] = scale * values[byte >>> 4]!;
  }
};
