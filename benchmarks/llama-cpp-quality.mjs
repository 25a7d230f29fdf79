// Compares the loss that `kvtuner advise --for llama.cpp` predicts with llama.cpp's own: the KL of its logits under quantized cache
// types to those under f16, on the same tokens:
//   npm run -s bench:llama.cpp-quality -- MODEL TEXT [TYPES]
// TYPES are pairs such as q8_0/q4_0,q4_0/q4_0; by default every type for both, some pairs, and f32, which shows what rounding alone
// changes. MODEL should have float32 or float16 weights: llama.cpp rounds the activations before other weights to 8 bits, which adds
// to its losses.
// Needs node-llama-cpp; if it is missing, the error says how to install it.
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveModel } from "kvtuner";
import { llamaCpp } from "../packages/tuning/src/runtimes/llama-cpp.ts";
import { parseCacheTypes } from "./llama-cpp/cache-types.ts";
import { findNodeLlamaCpp } from "./llama-cpp/package.ts";
import { startPeer } from "./llama-cpp/process.ts";
import { markdownTable } from "./shared.mjs";
import { openTextSession } from "./text-session.mjs";

const [SAMPLES, SAMPLE_LENGTH, STRIDE] = [4, 512, 4];
const TYPES =
  "f32/f32,f16/q8_0,q8_0/f16,q8_0/q8_0,q5_1/q5_1,q5_0/q5_0,q4_1/q4_1,q4_0/q4_0,iq4_nl/iq4_nl,q8_0/q4_0,q5_1/q4_0,f16/q4_0,q4_0/f16,q4_0/q8_0";

const [name = "smollm2", textFile, types = TYPES] = process.argv.slice(2);
const { path: modelPath } = await resolveModel(name);
const sizes = { samples: SAMPLES, sampleLength: SAMPLE_LENGTH };
const { model, evaluator, ids: all, shape, dispose } = await openTextSession(name, textFile, sizes);
const samples = Array.from({ length: SAMPLES }, (_, sample) =>
  all.slice(sample * SAMPLE_LENGTH, (sample + 1) * SAMPLE_LENGTH),
);
const vocabulary = model.tasks.tokenizer.vocabularySize;

const folder = await mkdtemp(join(tmpdir(), "kvtuner-quality-"));
const path = join(folder, "logits.bin");

/** llama.cpp's log-probabilities of every sample, one array per position. */
const logProbabilities = async (pair) => {
  const peer = startPeer();
  try {
    const [parsed] = parseCacheTypes([pair]);
    const request = { packageUrl: findNodeLlamaCpp().url, modelPath, threads: 1, capacity: SAMPLE_LENGTH + 8 };
    await peer.call("open", { ...request, types: parsed });
    const rows = [];
    for (const ids of samples) {
      await peer.call("strided", { ids, stride: STRIDE, vocabulary, path });
      const logits = new Float32Array((await readFile(path)).buffer);
      rows.push(
        Array.from({ length: logits.length / vocabulary }, (_, row) =>
          normalized(logits.subarray(row * vocabulary, (row + 1) * vocabulary)),
        ),
      );
    }
    return rows;
  } finally {
    await peer.end();
  }
};

const normalized = (logits) => {
  let largest = -Infinity;
  for (const logit of logits) largest = Math.max(largest, logit);
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - largest);
  return logits.map((logit) => logit - largest - Math.log(total));
};

const divergence = (base, other) => {
  let sum = 0;
  for (let id = 0; id < base.length; id++) sum += Math.exp(base[id]) * (base[id] - other[id]);
  return sum;
};

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

const base = await logProbabilities("f16/f16");
const settings = llamaCpp.settings({ shape, ranges: [] });
/** What `advise` predicts of a pair, as cells beside llama.cpp's own figure; none for pairs that it does not consider. */
const prediction = async (pair) => {
  const setting = settings.find(({ label }) => label === pair);
  if (setting === undefined) return () => ["", ""];
  const [{ kl, klStandardError, sampleKl }] = await evaluator.evaluate([setting.layers], {
    positionStride: STRIDE,
    queries: llamaCpp.queries,
  });
  console.error(pair, "predicted by sample:", ...Array.from(sampleKl, (value) => value.toPrecision(3)));
  return (theirs) => [
    `${kl.toPrecision(3)} ± ${klStandardError.toPrecision(2)}`,
    `${(100 * (kl / theirs - 1)).toFixed(1)}%`,
  ];
};

const rows = [];
for (const pair of types.split(",")) {
  const predicted = await prediction(pair);
  const own = await logProbabilities(pair);
  const bySample = base.map((positions, sample) =>
    mean(positions.map((position, row) => divergence(position, own[sample][row]))),
  );
  const theirs = mean(bySample);
  rows.push([pair, theirs.toPrecision(3), ...predicted(theirs)]);
  console.error(rows.at(-1).join("  "), bySample.map((value) => value.toPrecision(3)).join(" "));
}
console.log(markdownTable([["keys/values", "llama.cpp", "predicted", "difference"], ...rows]));
await dispose();
await rm(folder, { recursive: true });
