import { MAX_FLOAT16, roundHalfToEven, roundToFloat16 } from "../../float16.ts";
import { clampCode, extremesOf, type GroupCoder } from "./group-coder.ts";
import { packedGroup } from "./packed-group.ts";

const { fround } = Math;

/**
 * Quanto in `transformers`' `QuantizedCache` (`MaxOptimizer`, `quantize_affine`): `scale = (max - min) / (2^bits - 1)`, `shift =
 * -min`, both in float16; `code = round((x + shift) / scale)`, `x^ = scale code - shift`. Axis 0 groups 64 neighbouring
 * channels of the flattened tensor, axis -1 64 neighbouring tokens of a channel.
 */
const quanto = (bits: 2 | 4): GroupCoder => {
  const highest = 2 ** bits - 1;
  return packedGroup(bits, 2, {
    encode: (x) => {
      const { smallest, largest } = extremesOf(x);
      const scale = roundToFloat16(fround(fround(largest - smallest) / highest));
      const shift = roundToFloat16(-smallest);
      const codes = Uint8Array.from(x, (number) =>
        clampCode(roundHalfToEven(fround(fround(number + shift) / scale)), highest),
      );
      return { codes, parameters: [scale, shift] };
    },
    decode: (codes, [scale, shift], x) => {
      for (const [j, code] of codes.entries()) x[j] = fround(scale! * code) - shift!;
    },
  });
};

const SMALLEST_RANGE = fround(1e-4);
const LARGEST_SCALE = 2e4;

/**
 * HQQ as `transformers`' cache calls it: axis 1, 4 bits, groups of 64, and without `optimize`, so HQQ's solver for the zero
 * point does not run (`Quantizer.quantize` of hqq/core/quantize.py). `s = 15 / (max - min)`, at most 20000, and 1 for ranges of
 * up to 1e-4; `z = -min s`, here at most what float16 holds; `code = round(x s + z)`; `x^ = (code - z) / s` with `1 / s` and `z` in float16.
 */
const hqq4: GroupCoder = packedGroup(4, 2, {
  encode: (x) => {
    const { smallest, largest } = extremesOf(x);
    const range = fround(largest - smallest);
    const scale = range <= SMALLEST_RANGE ? 1 : Math.min(fround(15 / range), LARGEST_SCALE);
    const zero = Math.max(-MAX_FLOAT16, Math.min(fround(-smallest * scale), MAX_FLOAT16));
    const codes = Uint8Array.from(x, (number) => clampCode(roundHalfToEven(fround(fround(number * scale) + zero)), 15));
    return { codes, parameters: [fround(1 / scale), zero] };
  },
  decode: (codes, [step, zero], x) => {
    for (const [j, code] of codes.entries()) x[j] = fround(code - zero!) * step!;
  },
});

/** Formats of the cache of `transformers`. */
export const HUGGING_FACE: Readonly<Record<`quanto${2 | 4}${"" | "-channel"}` | "hqq4", GroupCoder>> = {
  quanto2: quanto(2),
  quanto4: quanto(4),
  "quanto2-channel": quanto(2),
  "quanto4-channel": quanto(4),
  hqq4,
};
