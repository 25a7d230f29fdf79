/**
 * Our attention and onnxruntime's GroupQueryAttention on the same numbers: one token, one layer, one thread, in turns. Errors
 * are relative to exact attention over the numbers before quantization, so they include the cost of the bits. Our kernels must
 * also agree with the reference backend to 1e-3.
 *   node benchmarks/grouped-query-attention.mjs [CONTEXT,...] [ROUNDS] [PLAN,...]
 */
import { createCpuBackend, createReferenceBackend } from "@kvtuner/backend-cpu";
import { syntheticNumbers } from "kvtuner";
import { median } from "simple-statistics";
import { exactAttention, relativeError } from "./gqa/exact.mjs";
import { CACHE_KINDS } from "./gqa/gqa-model.mjs";
import { newToken } from "./gqa/new-token.mjs";
import { ourAttention } from "./gqa/ours.mjs";
import { loadRuntimes, rivalAttention } from "./gqa/rivals.mjs";
import { markdownTable } from "./shared.mjs";

const CONTEXTS = (process.argv[2] ?? "1024,4096,16384").split(",").map(Number);
const ROUNDS = Number(process.argv[3] ?? 9);
const PLANS = (process.argv[4] ?? "per-token:K4V4,kivi:K4V4,compact:K4V3,per-token:K8V8,none").split(",");
const SHAPES = [
  { queryHeads: 9, kvHeads: 3, headSize: 64 },
  { queryHeads: 32, kvHeads: 8, headSize: 128 },
];
const CALLS = 5;
const PERIOD_TOKENS = 128;
const LARGEST_KERNEL_ERROR = 1e-3;
const SEED = 3;

const backend = await createCpuBackend({ threads: 1 });
const reference = createReferenceBackend();
const runtimes = loadRuntimes();

const assertKernel = async (ours, plan, shape, length, token) => {
  const right = await ourAttention(reference, plan, shape, length, SEED);
  const error = relativeError(await ours.run(token), await right.run(token));
  await right.dispose();
  if (!(error <= LARGEST_KERNEL_ERROR)) throw new Error(`${plan} differs from the reference by ${error} at ${length}`);
};

/** Everything that can run at one shape and context. */
const openVariants = async (shape, length, numbers, token) => {
  const variants = [];
  for (const plan of PLANS) {
    const ours = await ourAttention(backend, plan, shape, length, SEED);
    if (length === CONTEXTS[0]) await assertKernel(ours, plan, shape, length, token);
    variants.push(ours);
  }
  for (const [name, runtime] of Object.entries(runtimes))
    for (const kind of Object.keys(CACHE_KINDS))
      for (const mode of runtime.modes) {
        const rival = await rivalAttention(runtime, kind, mode, shape, length, numbers);
        variants.push({ ...rival, name: `${name} ${kind}, ${mode}`, rival: `${name} ${kind}` });
      }
  return variants;
};

const timed = async (work) => {
  const start = performance.now();
  await work();
  return performance.now() - start;
};

/** Median milliseconds of each variant. The first call of a turn finds other data in the caches and does not count. */
const timeInTurns = async (variants, token) => {
  const times = variants.map(() => []);
  for (let round = 0; round <= ROUNDS; round++)
    for (const [index, { run }] of variants.entries())
      for (let call = 0; call <= CALLS; call++) {
        const timeMs = await timed(() => run(token));
        if (round > 0 && call > 0) times[index].push(timeMs);
      }
  return times.map(median);
};

/** A rival counts with its fastest mode. */
const fastestModes = (rows) =>
  rows.filter(
    (row) => !row.rival || rows.every((other) => other.rival !== row.rival || row.medianMs <= other.medianMs),
  );

for (const shape of SHAPES)
  for (const length of CONTEXTS) {
    const numbers = syntheticNumbers(PERIOD_TOKENS, shape.headSize, SEED);
    const token = newToken(shape);
    const exact = exactAttention(shape, length, numbers, token);
    const variants = await openVariants(shape, length, numbers, token);
    const medians = await timeInTurns(variants, token);
    const rows = [];
    for (const [index, variant] of variants.entries()) {
      const error = relativeError(await variant.run(token), exact);
      rows.push({ ...variant, medianMs: medians[index], error });
      await variant.dispose();
    }
    const kept = fastestModes(rows);
    const rivals = kept.filter(({ rival }) => rival);
    console.log(
      `\n${shape.queryHeads}/${shape.kvHeads}/${shape.headSize}, ${length} tokens; x: speedup over the rival:\n`,
    );
    console.log(
      markdownTable([
        ["", "MB", "ms", "error", ...rivals.map(({ rival }) => `x ${rival}`)],
        ...kept.map(({ name, bytes, medianMs, error }) => [
          name,
          (bytes / 1e6).toFixed(2),
          medianMs.toFixed(3),
          error.toExponential(1),
          ...rivals.map((rival) => (rival.medianMs / medianMs).toFixed(2)),
        ]),
      ]),
    );
  }
await backend.dispose();
await reference.dispose();
