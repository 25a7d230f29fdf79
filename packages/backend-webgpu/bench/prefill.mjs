// node packages/backend-webgpu/bench/prefill.mjs [--length 4096] [--shape 32/8/128] [--rounds 3] [--plans none,kivi:K4V4,...]
// What attention to a prompt takes in one layer, its queries, keys and values on the GPU: appended, encoded and attended to. A table
// of median milliseconds, and of tokens per second. Attention is quadratic: other lengths have other rates.
import { parseArgs } from "node:util";
import { createWebGpuBackend } from "@kvtuner/backend-webgpu";
import { parseShorthand, uniformPlan } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { create } from "webgpu";

const { values: options } = parseArgs({
  options: {
    length: { type: "string", default: "4096" },
    shape: { type: "string", default: "32/8/128" },
    rounds: { type: "string", default: "3" },
    plans: { type: "string", default: "none,per-token:K4V4,kivi:K4V4,kivi:K2V2,compact:K4V3" },
  },
});

const [queryHeads, kvHeads, headSize] = options.shape.split("/").map(Number);
const shape = { layers: 1, queryHeads, kvHeads, headSize };
const length = Math.min(Number(options.length), 8192);
const rounds = Number(options.rounds);

const planOf = (text) => uniformPlan({ name: "prompt", architecture: "llama" }, shape, parseShorthand(text).layer);

/** What WebGPU calls STORAGE, COPY_SRC and COPY_DST. */
const USAGE = 0x80 | 0x4 | 0x8;

const rowsOn = (device, heads, step) => {
  const width = heads * headSize;
  const numbers = Float32Array.from({ length: length * width }, (_, index) => 2 * Math.sin(step * index));
  const buffer = device.createBuffer({ size: numbers.byteLength, usage: USAGE });
  device.queue.writeBuffer(buffer, 0, numbers);
  return Tensor.fromGpuBuffer(buffer, { dataType: "float32", dims: [1, length, width] });
};

/** Milliseconds until the last output has been read; reading takes little time compared with a prompt. */
const timedPrompt = async (backend, plan, rows) => {
  const cache = await backend.createCache(shape, plan);
  const started = performance.now();
  const output = await cache.attend(0, ...rows);
  await output.getData();
  const timeMs = performance.now() - started;
  output.dispose();
  await cache.dispose();
  return timeMs;
};

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

const measure = async (backend) => {
  const rows = [
    rowsOn(backend.device, queryHeads, 0.37),
    rowsOn(backend.device, kvHeads, 0.73),
    rowsOn(backend.device, kvHeads, 0.59),
  ];
  console.log(
    `| ${length} tokens, ${options.shape}, kernels ${backend.kernels} | ms | tokens/s |\n| --- | ---: | ---: |`,
  );
  for (const text of options.plans.split(",")) {
    const plan = planOf(text);
    const times = [];
    // The first compiles.
    for (let round = 0; round <= rounds; round++) times.push(await timedPrompt(backend, plan, rows));
    const timeMs = median(times.slice(1));
    console.log(`| \`${text}\` | ${timeMs.toFixed(1)} | ${((1000 * length) / timeMs).toFixed(0)} |`);
  }
};

/** Dawn must outlive all that comes from it: what a function refers to is kept. */
const gpu = create([]);
const openBackend = () => createWebGpuBackend({ gpu });

const backend = await openBackend();
await measure(backend);
await backend.dispose();
