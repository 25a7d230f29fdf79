import { roundToFloat16 } from "../../float16.ts";
import { clampCode, type GroupCoder, largestMagnitude } from "./group-coder.ts";
import { packedGroup } from "./packed-group.ts";

const { fround } = Math;
const NORMALIZATION = fround(1 / Math.sqrt(32));
const SMALLEST_SCALE = fround(1e-10);

/** The Hadamard transform of 32 numbers without its factor, in place, in float32. */
const butterflies = (x: Float32Array): void => {
  for (let half = 1; half < x.length; half *= 2)
    for (let index = 0; index < x.length; index++) {
      if (index & half) continue;
      const [a, b] = [x[index]!, x[index + half]!];
      x[index] = a + b;
      x[index + half] = a - b;
    }
};

/**
 * ExLlamaV3's cache on groups of 32 (exllamav3_ext/cache/q_cache_kernels.cuh, without companding): `v = H32 x / sqrt(32)`, `s =
 * max |v|` in float16, `code = floor((v / s + 1) 2^(bits-1))`, `v^ = s ((2 code + 1) / 2^bits - 1)`, and back. Results are
 * float16. ExLlamaV3 spreads the bits of a code over planes; here they are neighbours, in as many bytes.
 */
const exllama = (bits: number): GroupCoder => {
  const half = 2 ** (bits - 1);
  return packedGroup(bits, 1, {
    encode: (x) => {
      const rotated = x.slice();
      butterflies(rotated);
      for (const [j, number] of rotated.entries()) rotated[j] = number * NORMALIZATION;
      const scale = fround(largestMagnitude(rotated) + SMALLEST_SCALE);
      const inverse = fround(1 / scale);
      const codes = Uint8Array.from(rotated, (number) =>
        clampCode(Math.floor(fround(fround(number * inverse) * half + half)), 2 * half - 1),
      );
      return { codes, parameters: [scale] };
    },
    decode: (codes, [scale], x) => {
      const step = fround(fround(scale! * NORMALIZATION) / half);
      for (const [j, code] of codes.entries()) x[j] = (code - half + 0.5) * step;
      butterflies(x);
      for (const [j, number] of x.entries()) x[j] = roundToFloat16(number);
    },
  });
};

/** ExLlamaV3's bit widths. */
export const EXLLAMA: Readonly<Record<`exllama${2 | 3 | 4 | 5 | 6 | 7 | 8}`, GroupCoder>> = {
  exllama2: exllama(2),
  exllama3: exllama(3),
  exllama4: exllama(4),
  exllama5: exllama(5),
  exllama6: exllama(6),
  exllama7: exllama(7),
  exllama8: exllama(8),
};
