// What decode attention costs on this machine's GPU by WebGPU, in a checkout that `npm test` has set up:
//   node packages/backend-webgpu/bench/decode-attention.mjs [--length 32768] [--batch 8] [--calls 50] [--bandwidth GB/s]
//     [--plans per-token:K4V4,...]
// One layer of 32 query heads over 8 KV heads of 128, `batch` sequences side by side: to the kernels, more heads. Query, key,
// value and output stay on the GPU, as with ONNX Runtime on the same device; calls are handed over one behind the other and waited
// for once. The first plan is 16-bit attention of our own, which the others are compared with. On a driver in software the figures
// say nothing.
import { parseArgs } from "node:util";
import { create } from "webgpu";
import { writeSnapshot } from "@kvtuner/backend";
import { createWebGpuBackend } from "@kvtuner/backend-webgpu";
import { layerBytes, parseShorthand } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";

const PLANS = "per-token:K16V16,per-token:K8V8,per-token:K4V4,kivi:K4V4,kivi:K2V2,compact:K4V3";

const { values: options } = parseArgs({
  options: {
    length: { type: "string", default: "32768" },
    batch: { type: "string", default: "8" },
    calls: { type: "string", default: "50" },
    bandwidth: { type: "string" },
    plans: { type: "string", default: PLANS },
  },
});
const [length, batch, calls] = [options.length, options.batch, options.calls].map(Number);
const shape = { layers: 1, queryHeads: 32 * batch, kvHeads: 8 * batch, headSize: 128 };
const WARM_UP = 5;
const STORAGE_AND_COPIES = 0x80 | 0x4 | 0x8;

/** Codes, scales from 1/64 to 1/32 and minima from -1 to -1/2 as they come. */
const headImage = (layer, tensor) => {
  const bytes = layerBytes(layer, { layers: 1, queryHeads: 1, kvHeads: 1, headSize: shape.headSize }, length);
  const halves = (count, bits) =>
    Uint16Array.from({ length: count }, (_, index) => bits + (Math.imul(index, 40503) & 1023));
  const parameters = bytes[`${tensor}Parameters`] / 4;
  return {
    prefix: {
      codes: Uint8Array.from({ length: bytes[`${tensor}Codes`] }, (_, index) => Math.imul(index, 2654435761) >>> 24),
      scales: halves(parameters, 0x2400),
      minima: halves(parameters, 0xb800),
    },
    exact: halves(bytes[`${tensor}Exact`] / 2, 0xb800),
  };
};

/** A cache that holds the same numbers for every KV head. */
const filledCache = (backend, scheme) => {
  const images = (tensor) => Array(shape.kvHeads).fill(headImage(scheme, tensor));
  const plan = { shape, layers: [scheme] };
  const tensors = [{ key: images("key"), value: images("value") }];
  return writeSnapshot({ ...plan, length, tensors }).then((snapshot) => backend.restoreCache(shape, plan, snapshot));
};

const rows = (device, heads) => {
  const numbers = Float32Array.from({ length: heads * shape.headSize }, (_, index) => Math.sin(1.7 * index));
  const buffer = device.createBuffer({ size: numbers.byteLength, usage: STORAGE_AND_COPIES });
  device.queue.writeBuffer(buffer, 0, numbers);
  return Tensor.fromGpuBuffer(buffer, { dataType: "float32", dims: [1, 1, numbers.length] });
};

/** Milliseconds a call. */
const timeMs = async (device, cache, call) => {
  const run = async (count) => {
    for (let index = 0; index < count; index++) (await cache.attend(0, ...call)).dispose();
    await device.queue.onSubmittedWorkDone();
  };
  await run(WARM_UP);
  const startMs = performance.now();
  await run(calls);
  return (performance.now() - startMs) / calls;
};

const gpu = create([]);
const backend = await createWebGpuBackend({ gpu });
const { device, kernels } = backend;
console.log(`kernels: ${JSON.stringify(kernels)}; ${length} tokens, batch ${batch}, ${calls} calls`);
const call = [shape.queryHeads, shape.kvHeads, shape.kvHeads].map((heads) => rows(device, heads));
let firstMs;
for (const name of options.plans.split(",")) {
  const scheme = parseShorthand(name).layer;
  const cache = await filledCache(backend, scheme);
  const cacheBytes = cache.bytes().total;
  const took = await timeMs(device, cache, call);
  firstMs ??= took;
  const speed = cacheBytes / took / 1e6;
  const share = options.bandwidth
    ? `, ${((100 * speed) / Number(options.bandwidth)).toFixed(0)}% of the bandwidth`
    : "";
  console.log(
    `${name.padEnd(18)} ${(cacheBytes / 1e6).toFixed(1).padStart(8)} MB ${took.toFixed(3).padStart(9)} ms a call, ${speed.toFixed(1)} GB/s${share}, ${(firstMs / took).toFixed(2)} times the first`,
  );
  await cache.dispose();
}
await backend.dispose();
