import type { AffineScheme } from "@kvtuner/plan";
import { packCodes, packedBytes, unpackCodes } from "../bit-packing.ts";
import { blockRows } from "../block-rows.ts";
import { affineErrorBounds } from "../bounds/affine.ts";
import { emptyBlock } from "../encoded-block.ts";
import { float16FromNumber, numberFromFloat16 } from "../float16.ts";
import {
  decodeNumber,
  encodeNumber,
  fitGroup,
  type GroupParameters,
  groupParameters,
  magnitudeLimit,
} from "../group.ts";
import { encodableRotation, transformed } from "../hadamard.ts";
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

/**
 * Integer codes in groups. A block's rows are the head vectors of its tokens on axis token; on axis channel, for each
 * `groupSize` tokens, the numbers of each channel. Codes are packed lowest bit first; each row fills whole bytes.
 * Symmetric codes are stored as `code + 2^(bits - 1) - 1`, which is not negative.
 */
export const affineCodec: Codec<AffineScheme, AffineBlock> = {
  encode: (x, tokens, headSize, scheme) =>
    encodeRows(scheme.transform === "none" ? x : encodableRotation(x, headSize), tokens, headSize, scheme),
  decode: (encoded, tokens, headSize, scheme) => {
    const decoded = decodeRows(encoded, tokens, headSize, scheme);
    return scheme.transform === "hadamard" ? transformed(decoded, headSize) : decoded;
  },
  roundTrip: roundTripAffine,
  bound: affineErrorBounds,
};

const encodeRows = (x: Float32Array, tokens: number, headSize: number, scheme: AffineScheme): AffineBlock => {
  const block = emptyBlock(tokens, headSize, scheme) as AffineBlock;
  const parameters = groupParameters(scheme);
  let byte = 0;
  let groupIndex = 0;
  for (const { offset, count, groups } of blockRows(tokens, headSize, scheme)) {
    const codes = new Uint8Array(count);
    parameters.limit = magnitudeLimit(x, offset, count, scheme);
    let code = 0;
    for (const group of groups) {
      fitGroup(parameters, x, group.offset, group.count, group.stride);
      storeParameters(block, groupIndex++, parameters);
      for (let index = 0; index < group.count; index++)
        codes[code++] = encodeNumber(parameters, x[group.offset + index * group.stride]!) - parameters.lowest;
    }
    block.codes.set(packCodes(codes, scheme.bits), byte);
    byte += packedBytes(count, scheme.bits);
  }
  return block;
};

const decodeRows = (encoded: AffineBlock, tokens: number, headSize: number, scheme: AffineScheme): Float32Array => {
  const decoded = new Float32Array(tokens * headSize);
  const parameters = groupParameters(scheme);
  let byte = 0;
  let groupIndex = 0;
  for (const { count, groups } of blockRows(tokens, headSize, scheme)) {
    const codes = unpackCodes(encoded.codes.subarray(byte), scheme.bits, count);
    let code = 0;
    for (const group of groups) {
      loadParameters(encoded, groupIndex++, parameters);
      for (let index = 0; index < group.count; index++)
        decoded[group.offset + index * group.stride] = decodeNumber(parameters, codes[code++]! + parameters.lowest);
    }
    byte += packedBytes(count, scheme.bits);
  }
  return decoded;
};

const storeParameters = (block: AffineBlock, group: number, { scale, minimum }: GroupParameters): void => {
  block.scales[group] = float16FromNumber(scale);
  if (block.minima) block.minima[group] = float16FromNumber(minimum);
};

const loadParameters = (block: AffineBlock, group: number, parameters: GroupParameters): void => {
  parameters.scale = numberFromFloat16(block.scales[group]!);
  parameters.minimum = block.minima ? numberFromFloat16(block.minima[group]!) : 0;
};
