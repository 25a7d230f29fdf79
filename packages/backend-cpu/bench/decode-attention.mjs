// Microseconds a layer of one decoded token on synthetic caches, and ratios to per-token K4V4.
//   node bench/decode-attention.mjs [--depths 1024,8192] [--shapes 9/3/64] [--schemes per-token:K4V4,none]
//                                   [--data uniform,peaked] [--rounds N] [--layers N] [--clock wall|cpu]
//                                   [--simd auto|baseline|relaxed|baseline,relaxed] [--threads 1,2]
// Schemes, modules and numbers of threads are timed in turns; a figure is the median over the rounds, with the smallest
// beside it, and the ratio to per-token K4V4 in the same module on as many threads. The last column is the time on one
// thread over the time on so many, when both are timed. "uniform": all scores
// are within a few nats. "peaked": the first 4 and the newest 128 tokens score about 20 nats above all others.
import { parseArgs } from "node:util";
import { writeSnapshot } from "@kvtuner/backend";
import { createCpuBackend } from "@kvtuner/backend-cpu";
import { parseShorthand, quantizedPrefix, schemeOfHead, uniformPlan } from "@kvtuner/plan";
import { encodeBlock, float16FromNumber } from "@kvtuner/quantizers";
import { Tensor } from "onnxruntime-common";
import { transformLayer } from "./transform-tables.mjs";

const { values: options } = parseArgs({
  options: {
    depths: { type: "string", default: "1024,4096,8192,16384" },
    shapes: { type: "string", default: "9/3/64,32/8/128" },
    schemes: {
      type: "string",
      default: "per-token:K4V4,per-token:K8V4,per-token:K2V2,kivi:K4V4,compact:K4V3,channels:3,folded:3,none",
    },
    data: { type: "string", default: "uniform,peaked" },
    rounds: { type: "string", default: "41" },
    layers: { type: "string", default: "4" },
    clock: { type: "string", default: "wall" },
    simd: { type: "string", default: "auto" },
    threads: { type: "string", default: "1" },
  },
});

const BASELINE = "per-token:K4V4";
const DIRECTION = 3;

const normals = (seed) => {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
};

/** Rows of one KV head; keys of the tokens that are to stand out point along channel `DIRECTION`. */
const headRows = (next, depth, headSize, peaked) => {
  const rows = Float32Array.from({ length: depth * headSize }, () => next());
  for (let token = 0; token < depth; token++)
    rows[token * headSize + DIRECTION] = peaked && (token < 4 || token >= depth - 128) ? 4 : 0;
  return rows;
};

const halves = (rows) => Uint16Array.from(rows, float16FromNumber);

/** As a snapshot holds it: the prefix encoded, all else in 16 bits. */
const headImage = (rows, scheme, { layer, assets }, depth, headSize, head) => {
  const prefix = quantizedPrefix(scheme, layer, depth);
  const start = layer.residency.sinks * headSize;
  const end = start + prefix * headSize;
  const exact = new Float32Array(rows.length - (end - start));
  exact.set(rows.subarray(0, start));
  exact.set(rows.subarray(end), start);
  const context = { assets, head, position: layer.residency.sinks };
  const own = schemeOfHead(scheme, head);
  return { prefix: encodeBlock(rows.subarray(start, end), prefix, headSize, own, context), exact: halves(exact) };
};

const tensorImages = (rows, scheme, coded, depth, headSize) =>
  rows.map((own, head) => headImage(own, scheme, coded, depth, headSize, head));

/** `channels:3` and `folded:3` are the codec `transform` at 3 bits; all else is a shorthand. */
const codedLayer = (scheme, shape) => {
  const [form, bits] = scheme.split(":");
  if (form !== "channels" && form !== "folded") return { layer: parseShorthand(scheme).layer };
  return transformLayer(form, Number(bits), shape, normals(7));
};

const filledCache = async (backend, shape, coded, depth, keys, values) => {
  const { layer, assets } = coded;
  const plan = { ...uniformPlan({ name: "synthetic", architecture: "none" }, shape, layer), ...(assets && { assets }) };
  const image = {
    key: tensorImages(keys, layer.key, coded, depth, shape.headSize),
    value: tensorImages(values, layer.value, coded, depth, shape.headSize),
  };
  const tensors = Array.from({ length: shape.layers }, () => image);
  const snapshot = await writeSnapshot({ shape, layers: plan.layers, assets, length: depth, tensors });
  return backend.restoreCache(shape, plan, snapshot);
};

const tensor = (next, width) =>
  new Tensor(
    "float32",
    Float32Array.from({ length: width }, () => next()),
    [1, 1, width],
  );

/** Query that the outstanding keys answer with about 20 nats. */
const queryOf = (next, shape, peaked) => {
  const query = tensor(next, shape.queryHeads * shape.headSize);
  for (let head = 0; head < shape.queryHeads; head++)
    query.data[head * shape.headSize + DIRECTION] = peaked ? 5 * Math.sqrt(shape.headSize) : 0;
  return query;
};

/** On a shared machine the time that the process had a core says more than the time that passed. */
const nowUs = () => {
  if (options.clock === "wall") return 1000 * performance.now();
  const { user, system } = process.cpuUsage();
  return user + system;
};

const timeToken = async (cache, shape, call) => {
  const depth = cache.length;
  const startedUs = nowUs();
  for (let layer = 0; layer < shape.layers; layer++) await cache.attend(layer, ...call);
  const timeUs = nowUs() - startedUs;
  cache.truncate(depth);
  return timeUs / shape.layers;
};

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

const measure = async (backends, shape, depth, data) => {
  const next = normals(1);
  const peaked = data === "peaked";
  const heads = (isKey) =>
    Array.from({ length: shape.kvHeads }, () => headRows(next, depth, shape.headSize, isKey && peaked));
  const [keys, values] = [heads(true), heads(false)];
  const call = [
    queryOf(next, shape, peaked),
    tensor(next, shape.kvHeads * shape.headSize),
    tensor(next, shape.kvHeads * shape.headSize),
  ];
  const variants = [];
  for (const scheme of options.schemes.split(","))
    for (const { threads, backend } of backends) {
      const cache = await filledCache(backend, shape, codedLayer(scheme, shape), depth, keys, values);
      variants.push({ scheme, threads, simd: backend.simd, cache, times: [] });
    }
  for (let round = 0; round < Number(options.rounds) + 3; round++)
    for (const { cache, times } of variants) {
      const time = await timeToken(cache, shape, call);
      if (round >= 3) times.push(time);
    }
  report(shape, depth, data, variants);
  for (const { cache } of variants) await cache.dispose();
};

/** Median over the rounds of the quotient of two variants' times; empty without one of them. */
const quotient = (above, below) =>
  above && below ? median(above.times.map((time, round) => time / below.times[round])).toFixed(2) : "";

const report = (shape, depth, data, variants) => {
  for (const variant of variants) {
    const { scheme, threads, simd, cache, times } = variant;
    const find = (wanted, count) =>
      variants.find((other) => other.scheme === wanted && other.threads === count && other.simd === simd);
    const gigabytes = cache.bytes().total / shape.layers / 1e9;
    const us = median(times);
    console.log(
      `${shape.queryHeads}/${shape.kvHeads}/${shape.headSize}`.padEnd(10),
      String(depth).padStart(6),
      data.padEnd(8),
      scheme.padEnd(16),
      simd.padEnd(8),
      String(threads).padStart(7),
      us.toFixed(0).padStart(6),
      Math.min(...times)
        .toFixed(0)
        .padStart(6),
      quotient(variant, find(BASELINE, threads)).padStart(6),
      (gigabytes / (us * 1e-6)).toFixed(1).padStart(6),
      quotient(find(scheme, 1), variant).padStart(7),
    );
  }
};

const shapeOf = (text) => {
  const [queryHeads, kvHeads, headSize] = text.split("/").map(Number);
  return { layers: Number(options.layers), queryHeads, kvHeads, headSize };
};

const backends = [];
for (const simd of options.simd.split(","))
  for (const threads of options.threads.split(",").map(Number))
    backends.push({ threads, backend: await createCpuBackend({ simd, threads }) });
console.log(
  "heads       depth data     scheme           simd     threads median    min  ratio   GB/s  faster (us a layer)",
);
for (const shape of options.shapes.split(",").map(shapeOf))
  for (const depth of options.depths.split(",").map(Number))
    for (const data of options.data.split(",")) await measure(backends, shape, depth, data);
for (const { backend } of backends) await backend.dispose();
