import { syntheticNumbers } from "kvtuner";
import { settled } from "./dawn.mjs";
import { deviceBuffer, ELEMENT_BYTES, encodedNumbers, readBytes } from "./device-rows.mjs";
import { attentionModel } from "./gqa-model.mjs";
import { createSession } from "./ort-on-device.mjs";

/** Bytes of a key or value of one head as ONNX Runtime's WebGPU provider stores it: with 4 or 8 bits there is a float32 scale before it. */
export const storedBytes = (headSize, rowType, cacheBits) =>
  cacheBits > 0 ? 4 + (headSize * cacheBits) / 8 : headSize * ELEMENT_BYTES[rowType];

/** The cache as the model declares it: what is stored, counted in numbers of the rows' type. */
const cacheOf = ({ batch, kvHeads, headSize }, rowType, cacheBits, capacity) => ({
  type: rowType,
  dims: [batch, kvHeads, capacity, storedBytes(headSize, rowType, cacheBits) / ELEMENT_BYTES[rowType]],
});

/** One GroupQueryAttention with buffers for its cache, empty; `decode` runs it on a token that has `position` tokens before it. */
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
    /** What a call is made of, so that calls that are timed make nothing. Lengths are those of what is attended to, less one. */
    call: ({ query, key, value }, position) => ({
      query: row(query),
      key: row(key),
      value: row(value),
      past_key: past.key,
      past_value: past.value,
      seqlens_k: onDevice("int32", [shape.batch], new Int32Array(shape.batch).fill(position)),
      total_sequence_length: new ort.Tensor("int32", Int32Array.of(position + 1), []),
    }),
    /** The cache that goes out is the memory of the one that comes in. */
    run: (feeds) => session.run(feeds, { output, present_key: past.key, present_value: past.value }),
    dispose: async () => {
      await session.release();
      for (const { gpuBuffer } of [past.key, past.value, output]) gpuBuffer.destroy();
    },
  };
};

/**
 * What ONNX Runtime itself stores of synthetic tokens, for how 4 bits look is its own affair: each is the first of a sequence, of
 * one head and with room for one, so that the rows lie one behind the other. They depend on no position, and may be repeated.
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
