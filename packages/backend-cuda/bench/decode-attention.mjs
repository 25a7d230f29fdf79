// node bench/decode-attention.mjs [--length N] [--batch N] [--bandwidth GB/s] [--device N] [--json]: what decode attention costs on
// this machine's GPU, as gigabytes of packed cache a second, and as a share of its bandwidth where that is given.
// Needs `npm run build`, and a GPU.
import { parseArgs } from "node:util";
import { parseShorthand, planBytes, uniformPlan } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { createCudaBackend } from "../dist/index.js";

const { values } = parseArgs({
  options: {
    length: { type: "string", default: "32768" },
    batch: { type: "string", default: "8" },
    device: { type: "string", default: "0" },
    bandwidth: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const [length, batch, device] = [values.length, values.batch, values.device].map(Number);

/** Heads of a model of 8 billion parameters, and `batch` sequences side by side: to the kernels, more KV heads. */
const shape = { layers: 1, queryHeads: 32 * batch, kvHeads: 8 * batch, headSize: 128 };

const PLANS = ["per-token:K16V16", "per-token:K8V8", "per-token:K4V4", "kivi:K4V4", "kivi:K2V2", "compact:K4V3"];
const PROMPT_TOKENS = 512;
const WARM_UP = 5;
const CALLS = 50;

const rows = (tokens, heads) => {
  const numbers = new Float32Array(tokens * heads * shape.headSize);
  for (let index = 0; index < numbers.length; index++) numbers[index] = Math.sin(1.7 * index);
  return new Tensor("float32", numbers, [1, tokens, heads * shape.headSize]);
};

const callOf = (tokens) => [rows(tokens, shape.queryHeads), rows(tokens, shape.kvHeads), rows(tokens, shape.kvHeads)];

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** Milliseconds of a call with one token, the copies of query and output included. */
const timeCalls = async (cache) => {
  const call = callOf(1);
  const timesMs = [];
  for (let index = 0; index < WARM_UP + CALLS; index++) {
    const started = performance.now();
    await cache.attend(0, ...call);
    timesMs.push(performance.now() - started);
  }
  return median(timesMs.slice(WARM_UP));
};

const measure = async (backend, name) => {
  const plan = uniformPlan({ name, architecture: "llama" }, shape, parseShorthand(name).layer);
  const cache = await backend.createCache(shape, plan);
  const prompt = callOf(PROMPT_TOKENS);
  for (let tokens = 0; tokens < length; tokens += PROMPT_TOKENS) await cache.attend(0, ...prompt);
  const timeMs = await timeCalls(cache);
  const sizeBytes = planBytes(plan, cache.length).total;
  await cache.dispose();
  const speed = sizeBytes / timeMs / 1e6;
  const share = values.bandwidth ? { share: speed / Number(values.bandwidth) } : {};
  return { plan: name, megabytes: sizeBytes / 1e6, milliseconds: timeMs, gigabytesPerSecond: speed, ...share };
};

const backend = await createCudaBackend({ device });
const results = [];
for (const name of PLANS) results.push(await measure(backend, name));
const report = { device: backend.device, kernels: backend.kernels, length, batch, results };
if (values.json) console.log(JSON.stringify(report));
else {
  console.log(`${backend.device.name}, ${length} tokens, batch ${batch}`);
  console.table(results);
}
await backend.dispose();
