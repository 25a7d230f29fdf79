import { syntheticNumbers } from "kvtuner";
import { settled } from "./dawn.mjs";
import { deviceBuffer, ELEMENT_BYTES, encodedNumbers, readBytes } from "./device-rows.mjs";
import { attentionModel } from "./gqa-model.mjs";
import { createSession } from "./ort-on-device.mjs";

/** Bytes of one head's key or value in ONNX Runtime's WebGPU provider: with 4 or 8 bits, a float32 scale comes first. */
export const storedBytes = (headSize, rowType, cacheBits) =>
  cacheBits > 0 ? 4 + (headSize * cacheBits) / 8 : headSize * ELEMENT_BYTES[rowType];

/** The cache as the model declares it: the stored bytes, counted in numbers of the rows' type. */
const cacheOf = ({ batch, kvHeads, headSize }, rowType, cacheBits, capacity) => ({
  type: rowType,
  dims: [batch, kvHeads, capacity, storedBytes(headSize, rowType, cacheBits) / ELEMENT_BYTES[rowType]],
});

/** One GroupQueryAttention with buffers for an empty cache; `decode` runs it on a token after `position` others. */
export const openAttention = async (ort, device, { shape, rowType, cacheBits, capacity }) => {
  const { queryHeads, headSize } = shape;
  const cache = cacheOf(shape, rowType, cacheBits, capacity);
  const session = await createSession(device, attentionModel({ ...shape, rowType, cache }), cacheBits);
  const onDevice = (type, dims, numbers) => {
    const count = dims.reduce((product, size) => product * size, 1);
    const buffer = deviceBuffer(device, count * ELEMENT_BYTES[type]);
    if (numbers) device.queue.writeBuffer(buffer, 0, encodedNumbers(numbers, type));
    return ort.Tensor.fromGpuBuffer(buffer, { dataType: type, dims });
  };
  const row = (numbers) => onDevice(rowType, [shape.batch, 1, numbers.length / shape.batch], numbers);
  const past = { key: onDevice(cache.type, cache.dims), value: onDevice(cache.type, cache.dims) };
  const output = onDevice(rowType, [shape.batch, 1, queryHeads * headSize]);
  return {
    past,
    output,
    /** Arguments of a call, made once so that timed calls allocate nothing. Lengths are the attended tokens minus one. */
    call: ({ query, key, value }, position) => ({
      query: row(query),
      key: row(key),
      value: row(value),
      past_key: past.key,
      past_value: past.value,
      seqlens_k: onDevice("int32", [shape.batch], new Int32Array(shape.batch).fill(position)),
      total_sequence_length: new ort.Tensor("int32", Int32Array.of(position + 1), []),
    }),
    /** Output and input cache share their memory. */
    run: (feeds) => session.run(feeds, { output, present_key: past.key, present_value: past.value }),
    dispose: async () => {
      await session.release();
      for (const { gpuBuffer } of [past.key, past.value, output]) gpuBuffer.destroy();
    },
  };
};

/**
 * ONNX Runtime's own encoding of synthetic tokens, whose 4-bit layout is internal. Each token is the first of a sequence with one
 * head and a capacity of one, so the rows are adjacent. They depend on no position, so they can be repeated.
 */
export const storedRows = async (ort, device, { shape, rowType, cacheBits, tokens, seed }) => {
  const one = { ...shape, batch: tokens, queryHeads: shape.queryHeads / shape.kvHeads, kvHeads: 1 };
  const attention = await openAttention(ort, device, { shape: one, rowType, cacheBits, capacity: 1 });
  const numbers = syntheticNumbers(tokens, shape.headSize, seed);
  const query = new Float32Array(one.queryHeads * numbers.length);
  await settled(attention.run(attention.call({ query, key: numbers, value: numbers }, 0)));
  const bytes = tokens * storedBytes(shape.headSize, rowType, cacheBits);
  const stored = async ({ gpuBuffer }) => (await readBytes(device, gpuBuffer)).subarray(0, bytes);
  const rows = { key: await stored(attention.past.key), value: await stored(attention.past.value) };
  await attention.dispose();
  return rows;
};

/** Repeats stored rows over `length` tokens of every head. */
export const fillCache = (device, buffer, rows, { heads, rowBytes, capacity, length }) => {
  const head = new Uint8Array(length * rowBytes);
  for (let offset = 0; offset < head.length; offset += rows.length)
    head.set(rows.subarray(0, Math.min(rows.length, head.length - offset)), offset);
  for (let index = 0; index < heads; index++) device.queue.writeBuffer(buffer, index * capacity * rowBytes, head);
};
