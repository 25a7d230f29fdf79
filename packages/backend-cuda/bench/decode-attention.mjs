// Times decode attention on this machine's GPU. on-a-gpu.mjs runs it from the sources.
//
// One token attends to a cache of random codes. "Kernels" is the time of a call's attention kernels by the GPU's clock, over many
// calls in a row, and the gigabytes of packed cache read per second. "Host" is the time to launch them. "Call" is a whole call as a
// runtime makes it: copies of query, key, value and output, encoding, and the wait for the GPU.
import { parseArgs } from "node:util";
import { attentionOf, layerBytes, parseShorthand } from "@kvtuner/plan";
import { openDevice } from "../src/open-device.ts";
import { attend, attendingLayer } from "../src/store/attend.ts";
import { PackedLayer } from "../src/store/packed-layer.ts";
import { syntheticImage } from "../src/store/synthetic-image.ts";
import { withTensorCores } from "../src/store/tensor-core-check.ts";
import { importTensor } from "../src/store/tensor-image.ts";
import { createWorkspace } from "../src/store/workspace.ts";
import { createGpuTimer } from "./gpu-timer.mjs";

const { values } = parseArgs({
  options: {
    length: { type: "string" },
    batch: { type: "string" },
    device: { type: "string" },
    calls: { type: "string" },
  },
});
const [length, batch, device, calls] = [values.length, values.batch, values.device, values.calls].map(Number);

/** Heads of a model of 8 billion parameters, and `batch` sequences side by side: to the kernels, more KV heads. */
const shape = { layers: 1, queryHeads: 32 * batch, kvHeads: 8 * batch, headSize: 128 };

/** The first is f16 attention of our own, with which the others are compared. */
const PLANS = ["per-token:K16V16", "per-token:K8V8", "per-token:K4V4", "kivi:K4V4", "kivi:K2V2", "compact:K4V3"];
const WARM_UP = 5;

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** A layer that holds the same random codes for every KV head. */
const filledLayer = (workspace, scheme) => {
  const plan = { shape: { ...shape, queryHeads: 1, kvHeads: 1 }, layers: [scheme] };
  workspace.assertPlan({ ...plan, shape });
  const [image] = syntheticImage(plan, length).tensors;
  const layer = new PackedLayer(workspace, scheme, attendingLayer(workspace, shape, attentionOf(shape, 0)), false);
  for (const tensor of ["key", "value"])
    importTensor(workspace, layer[tensor], length, Array(shape.kvHeads).fill(image[tensor][0]));
  layer.settle(length);
  return layer;
};

const wave = (heads) => Float32Array.from({ length: heads * shape.headSize }, (_, index) => Math.sin(1.7 * index));

/** Milliseconds of a call's attention kernels on the GPU, and of the host that hands them over. */
const timeKernels = (workspace, timer, layer) => {
  const query = workspace.staging.bring("query", wave(shape.queryHeads));
  const output = workspace.staging.reserve("output", 4 * shape.queryHeads * shape.headSize);
  const own = attendingLayer(workspace, shape, attentionOf(shape, 0));
  const run = (count) => {
    for (let call = 0; call < count; call++)
      attend(
        workspace,
        { ...own, key: layer.key, value: layer.value },
        { query, output, tokens: 1, before: length - 1 },
      );
  };
  run(WARM_UP);
  const { gpuMs, hostMs, isHostAhead } = timer.time(() => run(calls));
  return { kernelsMs: gpuMs / calls, hostMs: hostMs / calls, isHostAhead };
};

/** Milliseconds of a whole call. */
const timeCalls = (layer) => {
  const call = { tokens: 1, query: wave(shape.queryHeads), key: wave(shape.kvHeads), value: wave(shape.kvHeads) };
  const timesMs = Array.from({ length: WARM_UP + calls }, () => {
    const started = performance.now();
    layer.attend(call);
    return performance.now() - started;
  });
  return median(timesMs.slice(WARM_UP));
};

const measure = (workspace, timer, name) => {
  const { layer: scheme } = parseShorthand(name);
  const layer = filledLayer(workspace, scheme);
  const cacheBytes = layerBytes(scheme, shape, length).total;
  const kernels = timeKernels(workspace, timer, layer);
  const callMs = timeCalls(layer);
  layer.clear();
  workspace.pool.trim();
  return { cacheBytes, ...kernels, gigabytesPerSecond: cacheBytes / kernels.kernelsMs / 1e6, callMs };
};

/** A plan's figures, or its error. */
const resultOf = (workspace, timer, plan) => {
  try {
    return { plan, tensorCores: workspace.tensorCores, ...measure(workspace, timer, plan) };
  } catch (error) {
    return { plan, tensorCores: workspace.tensorCores, error: `${error.code ?? error.name}: ${error.message}` };
  }
};

const results = [];
let description;
for (const tensorCores of [false, true]) {
  const { device: gpu, origin } = await openDevice({ device, tensorCores });
  description = { ...gpu.description, kernels: origin };
  const plain = createWorkspace(gpu);
  const timer = await createGpuTimer(gpu);
  const workspace = tensorCores ? withTensorCores(plain) : plain;
  for (const plan of tensorCores ? PLANS.slice(1) : PLANS) results.push(resultOf(workspace, timer, plan));
  timer.dispose();
  gpu.dispose();
}
console.log(JSON.stringify({ device: description, length, batch, calls, results }));
