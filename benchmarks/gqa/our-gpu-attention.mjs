import { Tensor } from "onnxruntime-common";
import { deviceBuffer, readNumbers } from "./device-rows.mjs";
import { ourCache } from "./ours.mjs";

/**
 * Our attention on the device, with `length` tokens in its cache. A batch is more heads to the kernels, because all sequences
 * have one length. Each call appends its token, so the cache grows by the number of calls.
 */
export const ourGpuAttention = async (backend, { plan, shape, length, token, seed }) => {
  const { device } = backend;
  const cache = await ourCache(backend, plan, shape, length, seed);
  const rows = [token.query, token.key, token.value].map((numbers) => {
    const buffer = deviceBuffer(device, numbers.byteLength);
    device.queue.writeBuffer(buffer, 0, numbers);
    return Tensor.fromGpuBuffer(buffer, { dataType: "float32", dims: [1, 1, numbers.length] });
  });
  return {
    name: plan,
    bytes: cache.bytes().total,
    decode: async () => (await cache.attend(0, ...rows)).dispose(),
    answer: async () => {
      const output = await cache.attend(0, ...rows);
      const numbers = await readNumbers(device, output.gpuBuffer, "float32", token.query.length);
      output.dispose();
      return numbers;
    },
    dispose: async () => {
      await cache.dispose();
      for (const { gpuBuffer } of rows) gpuBuffer.destroy();
    },
  };
};
