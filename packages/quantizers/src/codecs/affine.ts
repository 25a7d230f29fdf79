import type { AffineScheme } from "@kvtuner/plan";
import { loadParameters, storeParameters } from "../affine-parameters.ts";
import { packCodes, packedBytes, unpackCodes } from "../bit-packing.ts";
import { blockRows } from "../block-rows.ts";
import { affineErrorBounds } from "../bounds/affine.ts";
import { emptyBlock, type PartArray } from "../encoded-block.ts";
import { decodeNumber, encodeNumber, groupParameters } from "../group.ts";
import { rotatedRows, rotationOf, undoRotation } from "../rotation.ts";
import { roundTripAffine } from "./affine-round-trip.ts";
import type { Codec } from "./codec.ts";

/** Parts of an affine block; symmetric ones have no minima. */
export type AffineBlock = {
  /** Packed codes. */
  readonly codes: Uint8Array;
  /** Scale of each group as float16 bits, `[rows, groups of a row]`. */
  readonly scales: Uint16Array;
  /** Minimum of each group as float16 bits, in the order of the scales. */
  readonly minima?: Uint16Array;
};

/** Parts of an affine block with parameters in two levels; symmetric ones have no minima. */
type TwoLevelBlock = {
  readonly codes: Uint8Array;
  /** 8-bit codes of scales and minima, `[rows, groups of a row]`. */
  readonly scales: PartArray;
  readonly minima?: PartArray;
  /** What one step of these codes is worth, as float16 bits. */
  readonly scaleUnits: Uint16Array;
  readonly minimumUnits?: Uint16Array;
};

/**
 * Integer codes in groups. A block's rows are the head vectors of its tokens on axis token; on axis channel, for each
 * `groupSize` tokens, the numbers of each channel. Codes are packed lowest bit first; each row fills whole bytes.
 * Symmetric codes are stored as `code + 2^(bits - 1) - 1`, which is not negative.
 */
export const affineCodec: Codec<AffineScheme, AffineBlock | TwoLevelBlock> = {
  encode: (x, tokens, headSize, scheme, context) =>
    encodeRows(rotatedRows(x, headSize, rotationOf(scheme, headSize, context)), tokens, headSize, scheme),
  decode: (encoded, tokens, headSize, scheme, context) => {
    const decoded = decodeRows(encoded, tokens, headSize, scheme);
    undoRotation(decoded, headSize, rotationOf(scheme, headSize, context));
    return decoded;
  },
  roundTrip: roundTripAffine,
  bound: affineErrorBounds,
};

const encodeRows = (
  x: Float32Array,
  tokens: number,
  headSize: number,
  scheme: AffineScheme,
): AffineBlock | TwoLevelBlock => {
  const block = emptyBlock(tokens, headSize, scheme) as AffineBlock | TwoLevelBlock;
  const rows = blockRows(tokens, headSize, scheme);
  storeParameters(block, x, rows, headSize, scheme);
  const { scales, minima } = loadParameters(block, headSize, scheme);
  const parameters = groupParameters(scheme);
  let byte = 0;
  let groupIndex = 0;
  for (const { count, groups } of rows) {
    const codes = new Uint8Array(count);
    let code = 0;
    for (const group of groups) {
      parameters.scale = scales[groupIndex]!;
      parameters.minimum = minima[groupIndex++] ?? 0;
      for (let index = 0; index < group.count; index++)
        codes[code++] = encodeNumber(parameters, x[group.offset + index * group.stride]!) - parameters.lowest;
    }
    block.codes.set(packCodes(codes, scheme.bits), byte);
    byte += packedBytes(count, scheme.bits);
  }
  return block;
};

const decodeRows = (
  encoded: AffineBlock | TwoLevelBlock,
  tokens: number,
  headSize: number,
  scheme: AffineScheme,
): Float32Array => {
  const decoded = new Float32Array(tokens * headSize);
  const { scales, minima } = loadParameters(encoded, headSize, scheme);
  const parameters = groupParameters(scheme);
  let byte = 0;
  let groupIndex = 0;
  for (const { count, groups } of blockRows(tokens, headSize, scheme)) {
    const codes = unpackCodes(encoded.codes.subarray(byte), scheme.bits, count);
    let code = 0;
    for (const group of groups) {
      parameters.scale = scales[groupIndex]!;
      parameters.minimum = minima[groupIndex++] ?? 0;
      for (let index = 0; index < group.count; index++)
        decoded[group.offset + index * group.stride] = decodeNumber(parameters, codes[code++]! + parameters.lowest);
    }
    byte += packedBytes(count, scheme.bits);
  }
  return decoded;
};
