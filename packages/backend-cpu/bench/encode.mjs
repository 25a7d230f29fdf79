// Microseconds of processor time to encode one token of one layer, and ratios to per-token K4V4. A long and a short cache of 16 bits are
// retuned to each scheme, in turns. A figure is the median of what the tokens between take, less what they take in a retune to 16 bits.
//   node bench/encode.mjs [--tokens 2048] [--shape 9/3/64] [--schemes per-token:K4V4,channels:3] [--rounds N] [--layers N]
import { parseArgs } from "node:util";
import { createCpuBackend } from "@kvtuner/backend-cpu";
import { parseShorthand } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { transformLayer } from "./transform-tables.mjs";

const { values: options } = parseArgs({
  options: {
    tokens: { type: "string", default: "2048" },
    shape: { type: "string", default: "9/3/64" },
    schemes: { type: "string", default: "channels:3,folded:3,float8" },
    rounds: { type: "string", default: "21" },
    layers: { type: "string", default: "4" },
  },
});

const BASELINE = "per-token:K4V4";
const [queryHeads, kvHeads, headSize] = options.shape.split("/").map(Number);
const [tokens, layers] = [Number(options.tokens), Number(options.layers)];
const shape = { layers, queryHeads, kvHeads, headSize };

const normals = (seed) => {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
};

const FLOAT8 = { kind: "float8", format: "e4m3", scope: "token", scales: "dynamic", blockSize: 1 };
const PREFIX = { kind: "prefix", sinks: 4, recent: 32 };
/** Of 4 bits, with what KVTuner adds to per-token codes. */
const refined = (fields) => {
  const { layer } = parseShorthand(BASELINE);
  return { ...layer, key: { ...layer.key, ...fields }, value: { ...layer.value, ...fields } };
};
const LAYERS = {
  float8: { key: FLOAT8, value: FLOAT8, residency: PREFIX },
  clipped: refined({ clip: 0.9 }),
  signs: refined({ transform: "hadamard", signs: 9 }),
  "two-level": refined({ parameters: "two-level", groupSize: 16, blockSize: 8 }),
};

const planOf = (scheme) => {
  const [form, bits] = scheme.split(":");
  const coded =
    form === "channels" || form === "folded"
      ? transformLayer(form, Number(bits), shape, normals(7))
      : { layer: LAYERS[scheme] ?? parseShorthand(scheme).layer };
  return { shape, layers: Array.from({ length: layers }, () => coded.layer), assets: coded.assets };
};

const backend = await createCpuBackend();
const next = normals(1);

/** Of a cache of 16 bits. */
const snapshotOf = async (length) => {
  const rows = (heads) => {
    const width = heads * headSize;
    return new Tensor("float32", Float32Array.from({ length: length * width }, next), [1, length, width]);
  };
  const cache = await backend.createCache(shape, planOf("none"));
  for (let layer = 0; layer < layers; layer++) await cache.attend(layer, ...[queryHeads, kvHeads, kvHeads].map(rows));
  const snapshot = await cache.snapshot();
  await cache.dispose();
  return snapshot;
};

const SHORT = 128;
const [long, short] = [await snapshotOf(tokens), await snapshotOf(SHORT)];
const plans = new Map(["none", BASELINE, ...options.schemes.split(",")].map((scheme) => [scheme, planOf(scheme)]));

const retuneTime = async (plan, snapshot) => {
  const cache = await backend.restoreCache(shape, planOf("none"), snapshot);
  const start = process.cpuUsage();
  await cache.retune(plan);
  const { user, system } = process.cpuUsage(start);
  await cache.dispose();
  return user + system;
};

const timeOfToken = async (plan) =>
  ((await retuneTime(plan, long)) - (await retuneTime(plan, short))) / ((tokens - SHORT) * layers);

const times = new Map([...plans.keys()].map((scheme) => [scheme, []]));
for (let round = 0; round < Number(options.rounds); round++)
  for (const [scheme, plan] of plans) times.get(scheme).push(await timeOfToken(plan));

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
const encoding = (scheme) => median(times.get(scheme).map((time, round) => time - times.get("none")[round]));
for (const scheme of plans.keys())
  if (scheme !== "none")
    console.log(
      `${scheme.padEnd(16)} ${encoding(scheme).toFixed(2)} us  ${(encoding(scheme) / encoding(BASELINE)).toFixed(2)}`,
    );
