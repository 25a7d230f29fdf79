import { schemeOfHead, type SchemeOf } from "@kvtuner/plan";
import { blockErrors } from "../bounds/block-errors.ts";
import { emptyBlock } from "../encoded-block.ts";
import { float16FromNumber, float16NotBelow, numberFromFloat16, roundHalfToEven } from "../float16.ts";
import type { Codec } from "./codec.ts";
import { inHeadBlocks } from "./head-blocks.ts";

type Float8Scheme = SchemeOf<"float8">;

/** A format: mantissa bits, exponent of the smallest normal number, largest number. */
interface Float8Format {
  readonly mantissaBits: number;
  readonly lowestExponent: number;
  readonly largest: number;
}

/** The formats of the OCP 8-bit Floating Point Specification 1.0. */
const FORMATS: Readonly<Record<Float8Scheme["format"], Float8Format>> = {
  e4m3: { mantissaBits: 3, lowestExponent: -6, largest: 448 },
  e5m2: { mantissaBits: 2, lowestExponent: -14, largest: 57_344 },
};

/** Parts of a float8 block; fixed scales are in the scheme. */
type Float8Block = { readonly codes: Uint8Array; readonly scales: Uint16Array };

/**
 * 8-bit floats, divided by a shared scale: `code = f8(x / scale)`, `x^ = f8 number * scale`, in float32. A dynamic scale is
 * `max |x| / largest`, rounded up to float16; a fixed one is taken as float32. A scale of 0 gives code 0.
 */
export const float8Codec: Codec<Float8Scheme, Float8Block> = {
  encode: (x, tokens, headSize, scheme) => {
    const block = emptyBlock(tokens, headSize, scheme) as Float8Block;
    for (const [index, { start, group }] of groupsOf(x, headSize, scheme).entries()) {
      const scale = scaleOf(group, scheme);
      if (scheme.scales === "dynamic") block.scales[index] = float16FromNumber(scale);
      for (const [place, number] of group.entries())
        block.codes[start + place] = float8FromNumber(quotient(number, scale), scheme.format);
    }
    return block;
  },
  decode: ({ codes, scales }, _, headSize, scheme) => {
    const decoded = new Float32Array(codes.length);
    const numbers = Float32Array.from(codes, (code) => numberFromFloat8(code, scheme.format));
    for (const [index, { start, group }] of groupsOf(numbers, headSize, scheme).entries()) {
      const scale = scheme.scales === "dynamic" ? numberFromFloat16(scales[index]!) : fixedScale(scheme);
      decoded.set(
        group.map((number) => number * scale),
        start,
      );
    }
    return decoded;
  },
  roundTrip: (data, layout, scheme) =>
    inHeadBlocks(data, layout, layout.tokens, (x, head) => {
      const own = schemeOfHead(scheme, head) as Float8Scheme;
      for (const { group } of groupsOf(x, layout.headSize, own)) {
        const scale = scaleOf(group, own);
        for (const [place, number] of group.entries())
          group[place] = roundToFloat8(quotient(number, scale), own.format) * scale;
      }
    }),
  bound: (x, tokens, headSize, scheme) => {
    const bounds = new Float64Array(x.length);
    for (const { start, group } of groupsOf(x, headSize, scheme)) {
      const scale = scaleOf(group, scheme);
      for (const [place, number] of group.entries())
        bounds[start + place] = errorBound(number, scale, FORMATS[scheme.format]);
    }
    return blockErrors(bounds, tokens, headSize);
  },
};

/** Numbers of one KV head that share a scale: a view, and its offset. */
interface ScaleGroup {
  readonly start: number;
  readonly group: Float32Array;
}

const groupsOf = (x: Float32Array, headSize: number, { scope, blockSize }: Float8Scheme): ScaleGroup[] => {
  const length = headSize * (scope === "token" ? 1 : blockSize);
  return Array.from({ length: Math.ceil(x.length / length) }, (_, index) => {
    const start = index * length;
    return { start, group: x.subarray(start, start + length) };
  });
};

const scaleOf = (group: Float32Array, scheme: Float8Scheme): number => {
  if (scheme.scales !== "dynamic") return fixedScale(scheme);
  let largest = 0;
  for (const number of group) largest = Math.max(largest, Math.abs(number));
  return numberFromFloat16(float16NotBelow(Math.fround(largest / FORMATS[scheme.format].largest)));
};

const fixedScale = ({ scales }: Float8Scheme): number => Math.fround((scales as readonly number[])[0]!);

const quotient = (number: number, scale: number): number => (scale === 0 ? 0 : Math.fround(number / scale));

const words = new Uint32Array(1);
const floats = new Float32Array(words.buffer);

/** Exponent of a float32 number of at least the smallest normal float8. */
const exponentOf = (magnitude: number): number => {
  floats[0] = magnitude;
  return (words[0]! >>> 23) - 127;
};

/** The float8 nearest to `x`, halves to even, as a number. Clamps to the largest. */
export const roundToFloat8 = (x: number, format: Float8Scheme["format"]): number => {
  const { mantissaBits, lowestExponent, largest } = FORMATS[format];
  const magnitude = Math.min(Math.abs(x), largest);
  const step = 2 ** (Math.max(lowestExponent, exponentOf(magnitude)) - mantissaBits);
  const rounded = Math.min(largest, roundHalfToEven(magnitude / step) * step);
  return x < 0 || Object.is(x, -0) ? -rounded : rounded;
};

/** The 8 bits of the float8 nearest to `x`. */
export const float8FromNumber = (x: number, format: Float8Scheme["format"]): number => {
  const { mantissaBits, lowestExponent } = FORMATS[format];
  const rounded = roundToFloat8(x, format);
  const sign = rounded < 0 || Object.is(rounded, -0) ? 0x80 : 0;
  const magnitude = Math.abs(rounded);
  if (magnitude < 2 ** lowestExponent) return sign | (magnitude / 2 ** (lowestExponent - mantissaBits));
  const exponent = exponentOf(magnitude);
  const mantissa = (magnitude / 2 ** exponent - 1) * 2 ** mantissaBits;
  return sign | ((exponent - lowestExponent + 1) << mantissaBits) | mantissa;
};

/** The number of 8 bits. Encoding never gives NaN or, for e5m2, infinity. */
export const numberFromFloat8 = (code: number, format: Float8Scheme["format"]): number => {
  const { mantissaBits, lowestExponent } = FORMATS[format];
  const sign = code & 0x80 ? -1 : 1;
  const exponent = (code & 0x7f) >>> mantissaBits;
  const mantissa = (code & (2 ** mantissaBits - 1)) / 2 ** mantissaBits;
  if (format === "e4m3" && (code & 0x7f) === 0x7f) return NaN;
  if (format === "e5m2" && exponent === 31) return mantissa ? NaN : sign * Infinity;
  return exponent === 0
    ? sign * mantissa * 2 ** lowestExponent
    : sign * (1 + mantissa) * 2 ** (exponent - 1 + lowestExponent);
};

/** Half a step of the quotient times the scale, the part clamped at the largest number, and float32's rounding of both. */
const errorBound = (number: number, scale: number, { mantissaBits, lowestExponent, largest }: Float8Format): number => {
  const magnitude = Math.abs(number);
  if (scale === 0) return magnitude;
  const share = magnitude / scale;
  const exponent = Math.max(lowestExponent, Math.floor(Math.log2(Math.max(share, 2 ** lowestExponent)) + 2 ** -20));
  const halfStep = (scale * 2 ** (exponent - mantissaBits)) / 2;
  const cut = Math.max(0, magnitude - largest * scale);
  return (halfStep + cut + 3 * 2 ** -24 * magnitude) * (1 + 2 ** -40) + 2 ** -149;
};
