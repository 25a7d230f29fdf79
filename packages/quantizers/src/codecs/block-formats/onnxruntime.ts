import { packCodes, unpackCodes } from "../../bit-packing.ts";
import { roundHalfToEven } from "../../float16.ts";
import type { GroupCoder } from "./group-coder.ts";

const { fround } = Math;

/**
 * ONNX Runtime's cache in GroupQueryAttention (`MlasKVQuantize` in core/mlas/lib/qkv_quant.cpp): `code = round(x (1 / scale))`,
 * halves to even, clamped to `-2^(bits-1) .. 2^(bits-1) - 1`, with fixed scales. Codes of 8 bits are signed bytes. Those of
 * 4 bits are stored plus 8, an even channel in the low half of a byte.
 */
const onnxruntime = (bits: 4 | 8): GroupCoder => {
  const half = 2 ** (bits - 1);
  const zero = bits === 4 ? half : 0;
  return {
    encode: (x, bytes, scales) => {
      const codes = Uint8Array.from(x, (number, channel) => {
        const inverse = fround(1 / scaleOf(scales, channel));
        return Math.max(-half, Math.min(roundHalfToEven(fround(number * inverse)), half - 1)) + zero;
      });
      bytes.set(packCodes(codes, bits));
    },
    decode: (bytes, x, scales) => {
      for (const [channel, code] of unpackCodes(bytes, bits, x.length).entries())
        x[channel] = (bits === 4 ? code - half : (code << 24) >> 24) * scaleOf(scales, channel);
    },
  };
};

const scaleOf = (scales: Float32Array, channel: number): number => scales[scales.length === 1 ? 0 : channel]!;

/** Formats of ONNX Runtime. */
export const ONNXRUNTIME: Readonly<Record<`ort-int${4 | 8}`, GroupCoder>> = {
  "ort-int8": onnxruntime(8),
  "ort-int4": onnxruntime(4),
};
