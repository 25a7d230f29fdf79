import type { AffineScheme, TensorScheme } from "@kvtuner/plan";
import { packCodes, packedBytes, unpackCodes } from "./bit-packing.ts";
import { blockRows, blockSizes } from "./block-rows.ts";
import { assertEncodable, QuantizerError } from "./encodable.ts";
import { float16FromNumber, numberFromFloat16 } from "./float16.ts";
import { decodeNumber, encodeNumber, fitGroup, type GroupParameters, groupParameters } from "./group.ts";
import { transformed } from "./hadamard.ts";

/**
 * Tokens of one KV head as stored. Rows are the head vector of each token on axis token; on axis channel, for each
 * `groupSize` tokens, the numbers of each channel.
 */
export interface EncodedBlock {
  /**
   * Packed codes, lowest bit first; each row fills whole bytes. Symmetric codes are stored as `code + 2^(bits - 1) - 1`,
   * so that they are not negative. With float16: little-endian, `[tokens, headSize]`.
   */
  readonly codes: Uint8Array;
  /** Scale of each group as float16 bits, `[rows, groups of a row]`. */
  readonly scales: Uint16Array;
  /** Minimum of each group as float16 bits, in the order of the scales; empty for symmetric formats. */
  readonly minima: Uint16Array;
}

/**
 * Encodes one KV head's `x`, float32 `[tokens, headSize]`. Groups start at the first token.
 *
 * @throws QuantizerError `QUANTIZER_NAN`, `QUANTIZER_INFINITE` or `QUANTIZER_OVERFLOW` for numbers beyond float16, before
 *   or after the transform; `QUANTIZER_SHAPE` when `x` has another length; `QUANTIZER_SCHEME` for an impossible group
 */
export const encodeBlock = (x: Float32Array, tokens: number, headSize: number, scheme: TensorScheme): EncodedBlock => {
  const numbers = encodableNumbers(x, tokens, headSize, scheme);
  if (scheme.kind === "float16")
    return { codes: float16Bytes(x), scales: new Uint16Array(0), minima: new Uint16Array(0) };
  return encodeRows(numbers, tokens, headSize, scheme);
};

/** The numbers that become codes: `x` checked, and transformed where the scheme says so. Throws as {@link encodeBlock}. */
export const encodableNumbers = (
  x: Float32Array,
  tokens: number,
  headSize: number,
  scheme: TensorScheme,
): Float32Array => {
  assertLength("numbers", x.length, tokens * headSize);
  assertEncodable(x, "in the block");
  if (scheme.kind === "float16" || scheme.transform === "none") return x;
  const rotated = transformed(x, headSize);
  assertEncodable(rotated, "after the Hadamard transform of the block");
  return rotated;
};

/**
 * The numbers that a block stands for, float32 `[tokens, headSize]`: each code times its scale plus its minimum, in
 * float32, transformed back.
 *
 * @throws QuantizerError `QUANTIZER_SHAPE` when an array has another length than the scheme asks for
 */
export const decodeBlock = (
  encoded: EncodedBlock,
  tokens: number,
  headSize: number,
  scheme: TensorScheme,
): Float32Array => {
  assertSizes(encoded, tokens, headSize, scheme);
  if (scheme.kind === "float16") return numbersFromBytes(encoded.codes);
  const decoded = decodeRows(encoded, tokens, headSize, scheme);
  return scheme.transform === "hadamard" ? transformed(decoded, headSize) : decoded;
};

/** Bytes of an encoded block: codes, scales and minima. */
export const encodedBytes = (tokens: number, headSize: number, scheme: TensorScheme): number => {
  if (scheme.kind === "float16") return 2 * tokens * headSize;
  const { codeBytes, groups } = blockSizes(tokens, headSize, scheme);
  return codeBytes + 2 * groups * (scheme.format === "affine" ? 2 : 1);
};

const encodeRows = (x: Float32Array, tokens: number, headSize: number, scheme: AffineScheme): EncodedBlock => {
  const block = emptyBlock(tokens, headSize, scheme);
  const parameters = groupParameters(scheme);
  let byte = 0;
  let group = 0;
  for (const { count, groups } of blockRows(tokens, headSize, scheme)) {
    const codes = new Uint8Array(count);
    let code = 0;
    for (const run of groups) {
      fitGroup(parameters, x, run.offset, run.count, run.stride);
      storeParameters(block, group++, parameters);
      for (let index = 0; index < run.count; index++)
        codes[code++] = encodeNumber(parameters, x[run.offset + index * run.stride]!) - parameters.lowest;
    }
    block.codes.set(packCodes(codes, scheme.bits), byte);
    byte += packedBytes(count, scheme.bits);
  }
  return block;
};

const decodeRows = (encoded: EncodedBlock, tokens: number, headSize: number, scheme: AffineScheme): Float32Array => {
  const decoded = new Float32Array(tokens * headSize);
  const parameters = groupParameters(scheme);
  let byte = 0;
  let group = 0;
  for (const { count, groups } of blockRows(tokens, headSize, scheme)) {
    const codes = unpackCodes(encoded.codes.subarray(byte), scheme.bits, count);
    let code = 0;
    for (const run of groups) {
      loadParameters(encoded, group++, parameters);
      for (let index = 0; index < run.count; index++)
        decoded[run.offset + index * run.stride] = decodeNumber(parameters, codes[code++]! + parameters.lowest);
    }
    byte += packedBytes(count, scheme.bits);
  }
  return decoded;
};

const emptyBlock = (tokens: number, headSize: number, scheme: AffineScheme): EncodedBlock => {
  const { codeBytes, groups } = blockSizes(tokens, headSize, scheme);
  const minima = scheme.format === "affine" ? groups : 0;
  return { codes: new Uint8Array(codeBytes), scales: new Uint16Array(groups), minima: new Uint16Array(minima) };
};

const storeParameters = (block: EncodedBlock, group: number, { scale, minimum }: GroupParameters): void => {
  block.scales[group] = float16FromNumber(scale);
  if (block.minima.length > 0) block.minima[group] = float16FromNumber(minimum);
};

const loadParameters = (block: EncodedBlock, group: number, parameters: GroupParameters): void => {
  parameters.scale = numberFromFloat16(block.scales[group]!);
  parameters.minimum = block.minima.length > 0 ? numberFromFloat16(block.minima[group]!) : 0;
};

const float16Bytes = (x: Float32Array): Uint8Array => {
  const bytes = new DataView(new ArrayBuffer(2 * x.length));
  x.forEach((value, index) => bytes.setUint16(2 * index, float16FromNumber(value), true));
  return new Uint8Array(bytes.buffer);
};

const numbersFromBytes = (codes: Uint8Array): Float32Array => {
  const bytes = new DataView(codes.buffer, codes.byteOffset, codes.byteLength);
  return Float32Array.from({ length: codes.length / 2 }, (_, index) =>
    numberFromFloat16(bytes.getUint16(2 * index, true)),
  );
};

const assertSizes = (encoded: EncodedBlock, tokens: number, headSize: number, scheme: TensorScheme): void => {
  const { codeBytes, groups } =
    scheme.kind === "float16" ? { codeBytes: 2 * tokens * headSize, groups: 0 } : blockSizes(tokens, headSize, scheme);
  assertLength("bytes of codes", encoded.codes.length, codeBytes);
  assertLength("scales", encoded.scales.length, groups);
  assertLength("minima", encoded.minima.length, scheme.kind === "affine" && scheme.format === "affine" ? groups : 0);
};

const assertLength = (what: string, got: number, expected: number): void => {
  if (got !== expected)
    throw new QuantizerError(
      "QUANTIZER_SHAPE",
      `expected ${expected} ${what}, got ${got}; pass the tokens, head size and scheme of the block`,
    );
};
