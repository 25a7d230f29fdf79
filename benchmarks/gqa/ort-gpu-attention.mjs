import { settled } from "./dawn.mjs";
import { readNumbers } from "./device-rows.mjs";
import { fillCache, openAttention, storedBytes, storedRows } from "./ort-gpu-cache.mjs";

const PERIOD_TOKENS = 128;
/** Capacity for the new token; rows stay multiples of four bytes, which uploads require. */
const ROOM_TOKENS = 16;

/** ONNX Runtime's GroupQueryAttention on the device, with `length` tokens in a cache that never grows. */
export const ortGpuAttention = async (ort, device, { shape, rowType, cacheBits, length, token, seed }) => {
  const capacity = length + ROOM_TOKENS;
  const heads = shape.batch * shape.kvHeads;
  const rowBytes = storedBytes(shape.headSize, rowType, cacheBits);
  const rows = await storedRows(ort, device, { shape, rowType, cacheBits, tokens: PERIOD_TOKENS, seed });
  const attention = await openAttention(ort, device, { shape, rowType, cacheBits, capacity });
  const extent = { heads, rowBytes, capacity, length };
  for (const tensor of ["key", "value"]) fillCache(device, attention.past[tensor].gpuBuffer, rows[tensor], extent);
  const call = attention.call(token, length);
  return {
    name: `onnxruntime, ${cacheBits || 8 * (rowBytes / shape.headSize)} bits`,
    bytes: 2 * heads * length * rowBytes,
    decode: () => attention.run(call),
    answer: async () => {
      await settled(attention.run(call));
      return readNumbers(device, attention.output.gpuBuffer, rowType, token.query.length);
    },
    dispose: () => attention.dispose(),
  };
};
