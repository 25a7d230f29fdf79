import { float16FromNumber, numberFromFloat16, roundArrayToFloat16 } from "@kvtuner/quantizers";

/** Nearest float16 bits of each row of `data`, float32 `[tokens, width]`. */
export const rowsToFloat16 = (data: Float32Array, tokens: number): Uint16Array[] => {
  const width = data.length / tokens;
  const rounded = new Float32Array(data.length);
  roundArrayToFloat16(data, rounded);
  return Array.from({ length: tokens }, (_, token) =>
    Uint16Array.from(rounded.subarray(token * width, (token + 1) * width), float16FromNumber),
  );
};

/** The numbers of float16 bits. */
export const numbersOf = (bits: Uint16Array): Float32Array => Float32Array.from(bits, numberFromFloat16);
