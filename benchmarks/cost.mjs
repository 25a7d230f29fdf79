import { readFileSync } from "node:fs";
/**
 * Costs of an evaluation and a profile, as ratios within one process, with variants interleaved.
 *   KVTUNER_SHARED=... node benchmarks/cost.mjs [PAIR,PAIR,...] [ROUNDS]
 */
import { FloatAttention, forward, loadDecoder, openGguf } from "@kvtuner/decoder";
import { loadTokenizer } from "@kvtuner/decoder";
import { openFileSource } from "@kvtuner/decoder/node";
import { createEvaluator, cutSamples } from "@kvtuner/evaluation";
import { layerScheme, parsePair, parseShorthand } from "@kvtuner/plan";
import { resolveModel } from "kvtuner";
import { InferenceSession } from "onnxruntime-node";
import { median } from "simple-statistics";
import { markdownTable, sharedPath } from "./shared.mjs";

const ROUNDS = Number(process.argv[3] ?? 7);
const LENGTH = 512;
const HEAD_ROWS = 64;
const NINE_PAIRS = "K8V8,K8V4,K8V2,K4V8,K4V4,K4V2,K2V8,K2V4,K2V2";
const PAIRS = (process.argv[2] ?? NINE_PAIRS).split(",").map(parsePair);
const createSession = (model) =>
  InferenceSession.create(model, { intraOpNumThreads: 2, extra: { session: { intra_op: { allow_spinning: "0" } } } });
const gguf = await openGguf(await openFileSource((await resolveModel("smollm2")).path));
const decoder = await loadDecoder(gguf, { createSession });
const ids = loadTokenizer(gguf).encode(
  readFileSync(sharedPath("data", "wikitext2_test.txt"), "utf8").slice(0, 8 * LENGTH),
);
const samples = cutSamples(ids, LENGTH, 1);
const evaluator = await createEvaluator({ decoder, samples, createSession });
await evaluator.base();

const time = async (work) => {
  const start = performance.now();
  await work();
  return performance.now() - start;
};

const plainPass = async () => {
  const positions = Array.from({ length: LENGTH }, (_, index) => index);
  const residual = await forward(decoder, samples[0], positions, new FloatAttention(decoder.shape, decoder.attention));
  const width = decoder.config.hiddenSize;
  for (let row = 0; row < LENGTH; row += HEAD_ROWS) {
    const part = new residual.constructor("float32", residual.data.subarray(row * width, (row + HEAD_ROWS) * width), [
      HEAD_ROWS,
      width,
    ]);
    await decoder.head(part);
  }
};

const plan = (text) => Array.from({ length: decoder.shape.layers }, () => parseShorthand(text).layer);
const variants = { "plain forward pass": plainPass };
for (const text of ["per-token:K4V4", "kivi:K4V2", "compact:K4V3"])
  variants[text] = () => evaluator.evaluate([plan(text)]);
const times = Object.fromEntries(Object.keys(variants).map((name) => [name, []]));
for (let round = 0; round <= ROUNDS; round++)
  for (const [name, work] of Object.entries(variants)) {
    const timeMs = await time(work);
    if (round > 0) times[name].push(timeMs);
  }
const plain = median(times["plain forward pass"]);
console.log(
  markdownTable([
    ["one sample of 512 tokens", "median ms", "ratio"],
    ...Object.entries(times).map(([name, values]) => [
      name,
      median(values).toFixed(0),
      (median(values) / plain).toFixed(3),
    ]),
  ]),
);

const exact = parseShorthand("none").layer;
const single = (layer, pair) =>
  Array.from({ length: decoder.shape.layers }, (_, index) => (index === layer ? layerScheme("kivi", pair) : exact));
const layers = Array.from({ length: decoder.shape.layers }, (_, layer) => layer);
/** Times separate evaluations on every third layer, before and after the profile. */
const sampled = layers.filter((layer) => layer % 3 === 1);
const separate = [];
let profile = 0;
for (const layer of sampled) separate.push(await time(() => evaluator.evaluate([single(layer, parsePair("K4V4"))])));
profile += await time(() =>
  evaluator.evaluate(
    layers.flatMap((layer) => PAIRS.map((pair) => single(layer, pair))),
    { positionStride: 2 },
  ),
);
for (const layer of sampled) separate.push(await time(() => evaluator.evaluate([single(layer, parsePair("K4V4"))])));
const evaluations = layers.length * PAIRS.length;
console.log(
  `\nProfile of ${layers.length} layers by ${PAIRS.length} pairs: ${(profile / 1000).toFixed(1)} s, ${(profile / (evaluations * median(separate))).toFixed(3)} times ${evaluations} separate evaluations (median of ${separate.length}: ${median(separate).toFixed(0)} ms).`,
);
await decoder.dispose();
