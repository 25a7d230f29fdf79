import { encodeBlock, MAX_FLOAT16, roundArrayToFloat16 } from "@kvtuner/quantizers";
import type { PackedTensor } from "./packed-tensor.ts";

/**
 * Checks, before anything changes, that float16 can hold rows after a rotation by signs or a table. All other rotations are
 * checked with the tensors of a call.
 *
 * @param rows float32 `[tokens, kvHeads * headSize]`
 * @throws QuantizerError `QUANTIZER_OVERFLOW`
 */
export const assertRotatable = (tensor: PackedTensor, rows: Float32Array): void => {
  const { stored, headSize, kvHeads, assets } = tensor;
  if (stored.kind !== "affine" || stored.transform === "none" || !tensor.usesCodec) return;
  if (largestMagnitude(rows) * Math.sqrt(headSize) < 0.99 * MAX_FLOAT16) return;
  const probe = { ...stored, axis: "token", groupSize: "head", blockSize: 1, clip: 1, clipRule: "range" } as const;
  const row = new Float32Array(headSize);
  for (let start = 0; start < rows.length; start += headSize) {
    roundArrayToFloat16(rows.subarray(start, start + headSize), row);
    encodeBlock(row, 1, headSize, probe, { assets, head: (start / headSize) % kvHeads });
  }
};

const largestMagnitude = (numbers: Float32Array): number => {
  let largest = 0;
  for (const number of numbers) largest = Math.max(largest, Math.abs(number));
  return largest;
};
