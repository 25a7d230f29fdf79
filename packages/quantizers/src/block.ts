import { KvtunerError, type TensorScheme } from "@kvtuner/plan";
import { blockGroups } from "./block-groups.ts";
import { float16FromNumber, MAX_FLOAT16, numberFromFloat16 } from "./float16.ts";
import { decodeNumber, encodeNumber, fitGroup, groupParameters } from "./group.ts";
import { hadamardInPlace } from "./hadamard.ts";
import { packCodes, unpackCode } from "./pack.ts";

/** Packed block of one head: codes, and a float16 scale (affine: and minimum) a group. Symmetric codes are stored plus `2^(bits-1) - 1`. */
export interface EncodedBlock {
  readonly codes: Uint8Array;
  readonly scales: Uint16Array;
  readonly minima: Uint16Array;
}

/** Bytes of an encoded block `[tokens, headSize]`: codes and parameters. */
export const encodedBytes = (tokens: number, headSize: number, scheme: TensorScheme): number => {
  if (scheme.bits === 16) return 2 * tokens * headSize;
  const groups = blockGroups(tokens, headSize, scheme);
  return codeBytes(groups, scheme.bits) + groups.length * (scheme.format === "affine" ? 4 : 2);
};

const codeBytes = (groups: ReturnType<typeof blockGroups>, bits: number): number => {
  let bytes = 0;
  let row = 0;
  for (const { count, endsRow } of groups) {
    row += count;
    if (!endsRow) continue;
    bytes += Math.ceil((row * bits) / 8);
    row = 0;
  }
  return bytes;
};

/** Encodes float32 `[tokens, headSize]`. Refuses NaN, infinity and numbers beyond float16, also after the transform. */
export const encodeBlock = (x: Float32Array, tokens: number, headSize: number, scheme: TensorScheme): EncodedBlock => {
  const data = x.slice(0, tokens * headSize);
  assertEncodable(data, "");
  if (scheme.bits === 16) return encodeFloat16(data);
  transform(data, headSize, scheme);
  assertEncodable(data, " after the Hadamard transform");
  const groups = blockGroups(tokens, headSize, scheme);
  const parameters = groupParameters(scheme);
  const codes = new Uint8Array(codeBytes(groups, scheme.bits));
  const scales = new Uint16Array(groups.length);
  const minima = new Uint16Array(scheme.format === "affine" ? groups.length : 0);
  const row = new Uint8Array(Math.max(tokens, headSize));
  let filled = 0;
  let byte = 0;
  groups.forEach(({ offset, count, stride, endsRow }, group) => {
    fitGroup(parameters, data, offset, count, stride);
    scales[group] = float16FromNumber(parameters.scale);
    if (minima.length > 0) minima[group] = float16FromNumber(parameters.minimum);
    for (let i = 0; i < count; i++)
      row[filled++] = encodeNumber(parameters, data[offset + i * stride]!) - parameters.lowest;
    if (!endsRow) return;
    byte = packCodes(row, 0, filled, scheme.bits, codes, byte);
    filled = 0;
  });
  return { codes, scales, minima };
};

/** Decodes a block to float32 `[tokens, headSize]`. */
export const decodeBlock = (
  encoded: EncodedBlock,
  tokens: number,
  headSize: number,
  scheme: TensorScheme,
): Float32Array => {
  const data = new Float32Array(tokens * headSize);
  if (scheme.bits === 16) return decodeFloat16(encoded, data);
  const parameters = groupParameters(scheme);
  let place = 0;
  let byte = 0;
  blockGroups(tokens, headSize, scheme).forEach(({ offset, count, stride, endsRow }, group) => {
    parameters.scale = numberFromFloat16(encoded.scales[group]!);
    parameters.minimum = scheme.format === "affine" ? numberFromFloat16(encoded.minima[group]!) : 0;
    for (let i = 0; i < count; i++) {
      const code = unpackCode(encoded.codes, byte, place++, scheme.bits) + parameters.lowest;
      data[offset + i * stride] = decodeNumber(parameters, code);
    }
    if (!endsRow) return;
    byte += Math.ceil((place * scheme.bits) / 8);
    place = 0;
  });
  transform(data, headSize, scheme);
  return data;
};

const transform = (data: Float32Array, headSize: number, scheme: TensorScheme): void => {
  if (scheme.transform === "hadamard")
    for (let offset = 0; offset < data.length; offset += headSize) hadamardInPlace(data, offset, headSize);
};

const encodeFloat16 = (data: Float32Array): EncodedBlock => {
  const codes = new Uint8Array(2 * data.length);
  const view = new DataView(codes.buffer);
  data.forEach((x, index) => view.setUint16(2 * index, float16FromNumber(x), true));
  return { codes, scales: new Uint16Array(0), minima: new Uint16Array(0) };
};

const decodeFloat16 = ({ codes }: EncodedBlock, data: Float32Array): Float32Array => {
  const view = new DataView(codes.buffer, codes.byteOffset);
  return data.map((_, index) => numberFromFloat16(view.getUint16(2 * index, true)));
};

const assertEncodable = (data: Float32Array, when: string): void => {
  const index = data.findIndex((x) => !(Math.abs(x) <= MAX_FLOAT16));
  if (index >= 0) throw new NotEncodableError(data[index]!, index, when);
};

/** A number that no scheme encodes: NaN, infinite, or beyond the largest float16. */
export class NotEncodableError extends KvtunerError {
  readonly index: number;
  readonly value: number;

  constructor(value: number, index: number, when: string) {
    super(
      Number.isFinite(value) ? "QUANTIZERS_BEYOND_FLOAT16" : "QUANTIZERS_NOT_FINITE",
      `Expected numbers within +-${MAX_FLOAT16}, found ${value} at index ${index}${when}; keep such a tensor in float32.`,
    );
    this.name = "NotEncodableError";
    this.index = index;
    this.value = value;
  }
}
