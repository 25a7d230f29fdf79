import * as onnxruntimeNode from "onnxruntime-node";
import * as onnxruntimeWeb from "onnxruntime-web";
import { CACHE_KINDS, gqaModel, storedChannels } from "./gqa-model.mjs";

const ARRAYS = { float32: Float32Array, int8: Int8Array, uint8: Uint8Array };

/** Runtimes to compare with, by name; onnxruntime-web's WebAssembly runs in Node too. */
export const loadRuntimes = () => {
  onnxruntimeWeb.env.wasm.numThreads = 1;
  return {
    "onnxruntime-node": { ort: onnxruntimeNode, provider: "cpu", modes: ["in place", "output only"] },
    "onnxruntime-web": { ort: onnxruntimeWeb, provider: "wasm", modes: ["output only"] },
  };
};

/**
 * GroupQueryAttention with `length` tokens in its cache, `numbers` repeated in all heads, keys and values alike. The cache has
 * its final length from the start. Modes:
 *
 * - in place: output and input cache share their memory.
 * - output only: does not fetch what the kernel appends; the caller keeps the cache and writes the new row. That is the
 *   least that onnxruntime-web can copy, because its inputs are always in its own memory.
 */
export const rivalAttention = async ({ ort, provider }, kind, mode, shape, length, numbers) => {
  const capacity = length + 64;
  const options = { intraOpNumThreads: 1, interOpNumThreads: 1, executionProviders: [provider] };
  const session = await ort.InferenceSession.create(gqaModel(kind, shape, capacity), options);
  const feeds = cacheFeeds(ort, kind, shape, capacity, length, numbers);
  const float = (data) => new ort.Tensor("float32", data, [1, 1, data.length]);
  return {
    bytes: (2 * shape.kvHeads * length * shape.headSize * CACHE_KINDS[kind].bits) / 8,
    run: async ({ query, key, value }) => {
      const all = { ...feeds, query: float(query), key: float(key), value: float(value) };
      const fetches =
        mode === "in place"
          ? {
              output: float(new Float32Array(query.length)),
              present_key: feeds.past_key,
              present_value: feeds.past_value,
            }
          : ["output"];
      return (await session.run(all, fetches)).output.data;
    },
    dispose: () => session.release(),
  };
};

const cacheFeeds = (ort, kind, { kvHeads, headSize }, capacity, length, numbers) => {
  const { type, bits } = CACHE_KINDS[kind];
  const dims = [1, kvHeads, capacity, storedChannels(kind, headSize)];
  const stored = storedHead(kind, headSize, capacity, length, numbers);
  const cache = () => {
    const all = new ARRAYS[type](kvHeads * stored.length);
    for (let head = 0; head < kvHeads; head++) all.set(stored, head * stored.length);
    return new ort.Tensor(type, all, dims);
  };
  const scale = () =>
    new ort.Tensor("float32", new Float32Array(kvHeads * headSize).fill(1 / largestCode(bits)), [
      1,
      kvHeads,
      1,
      headSize,
    ]);
  return {
    past_key: cache(),
    past_value: cache(),
    seqlens_k: new ort.Tensor("int32", Int32Array.of(length), [1]),
    total_sequence_length: new ort.Tensor("int32", Int32Array.of(length + 1), []),
    ...(kind !== "float32" && { k_scale: scale(), v_scale: scale() }),
  };
};

const largestCode = (bits) => 2 ** (bits - 1) - 1;

/** Symmetric codes of numbers from -1 to 1; at 4 bits with 8 added, the even channel in the low nibble. */
const storedHead = (kind, headSize, capacity, length, numbers) => {
  const { type, bits } = CACHE_KINDS[kind];
  const channels = storedChannels(kind, headSize);
  const stored = new ARRAYS[type](capacity * channels);
  for (let index = 0; index < length * headSize; index++) {
    const number = numbers[index % numbers.length];
    const code = Math.round(number * largestCode(bits));
    if (bits === 4) stored[index >> 1] |= (code + 8) << (4 * (index & 1));
    else stored[index] = kind === "float32" ? number : code;
  }
  return stored;
};
