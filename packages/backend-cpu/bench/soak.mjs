// Random operations on several caches of the CPU backend, each held against the reference backend.
//   node --expose-gc bench/soak.mjs [--minutes 60] [--caches 3] [--seed 1] [--tolerance 1e-3] [--threads 1]
//                                   [--simd auto|baseline|relaxed|dot-products]
// Prints, once a minute and at the end: operations, the largest difference of an output relative to its largest number, and
// how much the process has grown since the first minute. Ends with 1 at the first difference beyond the tolerance.
import { parseArgs } from "node:util";
import { createCpuBackend, createReferenceBackend } from "@kvtuner/backend-cpu";
import { FLOAT16, planBytes } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";

const { values: options } = parseArgs({
  options: {
    minutes: { type: "string", default: "60" },
    caches: { type: "string", default: "3" },
    seed: { type: "string", default: "1" },
    tolerance: { type: "string", default: "1e-3" },
    threads: { type: "string", default: "1" },
    simd: { type: "string", default: "auto" },
  },
});

const tolerance = Number(options.tolerance);
/** The reference takes time in the square of the length. */
const MOST_TOKENS = 420;

let state = Number(options.seed) >>> 0;
const uniform = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return (state + 0.5) / 2 ** 32;
};
const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
const below = (count) => Math.floor(uniform() * count);
const pick = (...choices) => choices[below(choices.length)];

const randomShape = () => {
  const kvHeads = pick(1, 2, 3);
  return {
    layers: pick(1, 2),
    queryHeads: kvHeads * pick(1, 2, 3, 4, 8),
    kvHeads,
    headSize: pick(16, 32, 64, 80, 128),
  };
};

const randomTensorScheme = (axis, headSize) => {
  if (below(5) === 0) return FLOAT16;
  const groups = [16, 32, 64, 128].filter((size) => axis === "channel" || size <= headSize);
  const groupSize = axis === "token" && below(2) ? "head" : pick(...groups);
  return {
    kind: "affine",
    bits: pick(2, 3, 4, 5, 6, 8),
    format: pick("affine", "symmetric"),
    axis,
    groupSize,
    blockSize: axis === "token" ? pick(1, 1, 7, 32) : groupSize * pick(1, 2),
    transform: pick("none", "hadamard"),
  };
};

const randomPlan = (shape) => ({
  shape,
  layers: Array.from({ length: shape.layers }, () => ({
    key: randomTensorScheme(pick("token", "channel"), shape.headSize),
    value: randomTensorScheme("token", shape.headSize),
    residency: { kind: "prefix", sinks: pick(0, 4, 33), recent: pick(0, 5, 32) },
  })),
});

const rows = (tokens, width, scale) =>
  new Tensor(
    "float32",
    Float32Array.from({ length: tokens * width }, () => normal() * scale),
    [1, tokens, width],
  );

/** One cache of each backend; they get the same operations. */
const openPair = async (backends) => {
  const shape = randomShape();
  const plan = randomPlan(shape);
  const [got, expected] = await Promise.all(backends.map((backend) => backend.createCache(shape, plan)));
  return { shape, plan, got, expected };
};

const attend = async ({ shape, got, expected }) => {
  const tokens = Math.min(pick(1, 1, 1, 2, 17, 64, 65, 130), MOST_TOKENS - got.length);
  if (tokens === 0) return 0;
  let largest = 0;
  for (let layer = 0; layer < shape.layers; layer++) {
    const call = [
      rows(tokens, shape.queryHeads * shape.headSize, pick(0.1, 1, 3)),
      rows(tokens, shape.kvHeads * shape.headSize, 1),
      rows(tokens, shape.kvHeads * shape.headSize, 1),
    ];
    const outputs = [await got.attend(layer, ...call), await expected.attend(layer, ...call)];
    largest = Math.max(largest, difference(outputs[0].data, outputs[1].data));
  }
  return largest;
};

const difference = (got, expected) => {
  let [largest, scale] = [0, 1e-30];
  for (let index = 0; index < expected.length; index++) {
    const gap = Math.abs(got[index] - expected[index]);
    if (!(gap <= largest)) largest = Number.isNaN(gap) ? Infinity : gap;
    scale = Math.max(scale, Math.abs(expected[index]));
  }
  return largest / scale;
};

const truncate = async ({ got, expected }) => {
  const length = below(got.length + 1);
  got.truncate(length);
  expected.truncate(length);
  return 0;
};

/** Snapshots of both are the same bytes, and each backend goes on with the other's. */
const snapshot = async (pair, backends) => {
  const [mine, theirs] = await Promise.all([pair.got.snapshot(), pair.expected.snapshot()]);
  if (Buffer.compare(mine, theirs) !== 0) return Infinity;
  await Promise.all([pair.got.dispose(), pair.expected.dispose()]);
  pair.got = await backends[0].restoreCache(pair.shape, pair.plan, theirs);
  pair.expected = await backends[1].restoreCache(pair.shape, pair.plan, mine);
  return 0;
};

const retune = async (pair) => {
  const plan = randomPlan(pair.shape);
  const { length } = pair.got;
  if (planBytes(plan, length).total > planBytes(pair.plan, length).total) return 0;
  await Promise.all([pair.got.retune(plan), pair.expected.retune(plan)]);
  pair.plan = plan;
  return 0;
};

const replace = async (pair, backends) => {
  await Promise.all([pair.got.dispose(), pair.expected.dispose()]);
  Object.assign(pair, await openPair(backends));
  return 0;
};

const sameBytes = ({ got, expected }) =>
  got.length === expected.length && JSON.stringify(got.bytes()) === JSON.stringify(expected.bytes());

const operate = async (pair, backends) => {
  const operation = pick(attend, attend, attend, attend, attend, attend, truncate, truncate, snapshot, retune, replace);
  const found = await operation(pair, backends);
  const largest = sameBytes(pair) ? found : Infinity;
  if (largest > tolerance)
    console.error(
      `${operation.name} differs by ${largest}:`,
      JSON.stringify({ ...pair.plan, length: pair.got.length }),
    );
  return largest;
};

/** Bytes of the process after a collection, where there is `--expose-gc`. */
const residentBytes = () => {
  globalThis.gc?.();
  return process.memoryUsage.rss();
};

const run = async () => {
  const backends = [
    await createCpuBackend({ threads: Number(options.threads), simd: options.simd }),
    createReferenceBackend(),
  ];
  const pairs = [];
  for (let index = 0; index < Number(options.caches); index++) pairs.push(await openPair(backends));
  const startedMs = performance.now();
  let [operations, largest, minute, settledBytes] = [0, 0, 0, 0];
  const report = () => {
    const grownMb = settledBytes ? (residentBytes() - settledBytes) / 1e6 : 0;
    const minutes = (performance.now() - startedMs) / 60_000;
    console.log(
      `${minutes.toFixed(1)} min: ${operations} operations, largest difference ${largest.toExponential(1)}, grown by ${grownMb.toFixed(1)} MB`,
    );
  };
  while (performance.now() - startedMs < 60_000 * Number(options.minutes)) {
    largest = Math.max(largest, await operate(pick(...pairs), backends));
    operations++;
    if (largest > tolerance) break;
    if (performance.now() - startedMs < 60_000 * (minute + 1)) continue;
    minute++;
    settledBytes ||= residentBytes();
    report();
  }
  report();
  process.exitCode = largest > tolerance ? 1 : 0;
};

await run();
