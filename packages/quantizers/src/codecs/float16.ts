import type { Float16Scheme } from "@kvtuner/plan";
import { blockErrors } from "../bounds/block-errors.ts";
import { float16ErrorBound } from "../bounds/group.ts";
import { float16FromNumber, numberFromFloat16, roundArrayToFloat16 } from "../float16.ts";
import type { Codec } from "./codec.ts";

/** Numbers as float16, little-endian. */
export const float16Codec: Codec<Float16Scheme> = {
  encode: (x) => ({ codes: float16Bytes(x), scales: new Uint16Array(0), minima: new Uint16Array(0) }),
  decode: ({ codes }) => numbersFromBytes(codes),
  roundTrip: (data) => roundArrayToFloat16(data, data),
  bound: (x, tokens, headSize) => blockErrors(Float64Array.from(x, float16ErrorBound), tokens, headSize),
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
