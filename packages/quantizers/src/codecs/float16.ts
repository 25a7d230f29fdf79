import type { Float16Scheme } from "@kvtuner/plan";
import { blockErrors } from "../bounds/block-errors.ts";
import { float16ErrorBound } from "../bounds/group.ts";
import { float16FromNumber, numberFromFloat16, roundArrayToFloat16 } from "../float16.ts";
import type { Codec } from "./codec.ts";

/** The part of a float16 block. */
type Float16Block = { readonly codes: Uint16Array };

/** Numbers as float16 bits. */
export const float16Codec: Codec<Float16Scheme, Float16Block> = {
  encode: (x) => ({ codes: Uint16Array.from(x, float16FromNumber) }),
  decode: ({ codes }) => Float32Array.from(codes, numberFromFloat16),
  roundTrip: (data) => roundArrayToFloat16(data, data),
  bound: (x, tokens, headSize) => blockErrors(Float64Array.from(x, float16ErrorBound), tokens, headSize),
};
