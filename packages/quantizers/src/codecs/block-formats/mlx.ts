import { roundHalfToEven } from "../../float16.ts";
import { clampCode, extremesOf, type GroupCoder } from "./group-coder.ts";
import { packedGroup } from "./packed-group.ts";

const { fround } = Math;
const SMALLEST_SCALE = fround(1e-7);

/**
 * MLX's affine mode on groups of 64 (`quantize` in mlx/backend/cpu/quantized.cpp): `scale = (max - min) / (2^bits - 1)`, moved
 * so that the end of the range farther from 0 and 0 itself are exact: `scale = edge / round(edge / scale)`, `bias = edge`.
 * Codes use float32 parameters; the stored ones are float16, as for a float16 model.
 */
const mlx = (bits: number): GroupCoder => {
  const highest = 2 ** bits - 1;
  return packedGroup(bits, 2, {
    encode: (x) => {
      const { scale, bias } = fit(x, highest);
      const codes = Uint8Array.from(x, (number) =>
        clampCode(roundHalfToEven(fround(fround(number - bias) / scale)), highest),
      );
      return { codes, parameters: [scale, bias] };
    },
    decode: (codes, [scale, bias], x) => {
      for (const [j, code] of codes.entries()) x[j] = fround(code * scale!) + bias!;
    },
  });
};

const fit = (x: Float32Array, highest: number): { readonly scale: number; readonly bias: number } => {
  const { smallest, largest } = extremesOf(x);
  const isLow = Math.abs(smallest) > Math.abs(largest);
  const step = Math.max(fround(fround(largest - smallest) / highest), SMALLEST_SCALE);
  const scale = isLow ? step : -step;
  const edge = isLow ? smallest : largest;
  const steps = roundHalfToEven(fround(edge / scale));
  return steps === 0 ? { scale, bias: 0 } : { scale: fround(edge / steps), bias: edge };
};

/** MLX's bit widths. */
export const MLX: Readonly<Record<`mlx${2 | 3 | 4 | 5 | 6 | 8}`, GroupCoder>> = {
  mlx2: mlx(2),
  mlx3: mlx(3),
  mlx4: mlx(4),
  mlx5: mlx(5),
  mlx6: mlx(6),
  mlx8: mlx(8),
};
