/**
 * Errors of attention scores that `inspect` predicts from a model's weights, against those measured on text, layer by layer,
 * and the KL of each layer's keys alone.
 *   KVTUNER_SHARED=... node benchmarks/key-difficulty.mjs [MODEL...]
 */
import { attentionOf, layerScheme, layerShape, parseShorthand, scoreOf } from "@kvtuner/plan";
import { fakeQuantize } from "@kvtuner/quantizers";
import { inspect } from "kvtuner";
import { sampleRankCorrelation } from "simple-statistics";
import { markdownTable, sharedPath } from "./shared.mjs";
import { openTextSession } from "./text-session.mjs";

const SAMPLE_LENGTH = 512;
const QUERY_STRIDE = 37;
const exact = parseShorthand("none").layer;
const plain = layerScheme("per-token", { key: 4, value: 16 }).key;
const SCHEMES = {
  "per-token:K4": plain,
  "per-token:K4, rotated": { ...plain, transform: "hadamard" },
  "kivi:K4": layerScheme("kivi", { key: 4, value: 16 }).key,
};

/** Root mean square error of the scores in nats, without the mean over each query's tokens. */
const scoreError = ({ query, key }, hat, { queryHeads, kvHeads, headSize }, attention) => {
  let sum = 0;
  let rows = 0;
  for (let position = 100; position < SAMPLE_LENGTH; position += QUERY_STRIDE)
    for (let head = 0; head < queryHeads; head++) {
      const offset = Math.floor((head * kvHeads) / queryHeads) * headSize;
      const score = (keys, token) => {
        let product = 0;
        for (let channel = 0; channel < headSize; channel++)
          product +=
            query[(position * queryHeads + head) * headSize + channel] *
            keys[token * kvHeads * headSize + offset + channel];
        return scoreOf(attention, product);
      };
      const errors = Array.from({ length: position + 1 }, (_, token) => score(hat, token) - score(key, token));
      const mean = errors.reduce((total, error) => total + error, 0) / errors.length;
      sum += errors.reduce((total, error) => total + (error - mean) ** 2, 0) / errors.length;
      rows++;
    }
  return Math.sqrt(sum / rows);
};

const measure = async ({ model, evaluator, ids, shape }, scheme) => {
  const errors = [];
  await model.trace(ids.slice(0, SAMPLE_LENGTH), (layer, tensors) => {
    const sizes = layerShape(shape, layer);
    const hat = new Float32Array(tensors.key.length);
    fakeQuantize(tensors.key, hat, { tokens: SAMPLE_LENGTH, heads: sizes.kvHeads, headSize: sizes.headSize }, scheme);
    errors.push(scoreError(tensors, hat, sizes, attentionOf(shape, layer)));
  });
  const layers = errors.map((_, layer) => layer);
  const plans = layers.map((layer) => layers.map((each) => (each === layer ? { ...exact, key: scheme } : exact)));
  const scores = await evaluator.evaluate(plans, { positionStride: 4 });
  return { errors, kls: scores.map(({ kl }) => kl) };
};

const difficult = (errors) => errors.flatMap((error, layer) => (error >= 1 ? [layer] : [])).join(" ") || "none";

const given = process.argv.slice(2);
for (const name of given.length > 0 ? given : ["qwen05", "smollm2"]) {
  const { difficulty } = await inspect({ target: name });
  const session = await openTextSession(name, sharedPath("data", "wikitext2_test.txt"), {
    samples: 1,
    sampleLength: SAMPLE_LENGTH,
  });
  const rows = [];
  for (const [id, scheme] of Object.entries(SCHEMES)) {
    const predicted = difficulty.layers.map(({ scoreErrors }) => scoreErrors[id]);
    const { errors, kls } = await measure(session, scheme);
    rows.push([
      id,
      `${Math.max(...predicted).toPrecision(3)}, ${Math.max(...errors).toPrecision(3)}`,
      `${difficult(predicted)}; ${difficult(errors)}`,
      sampleRankCorrelation(predicted, errors).toFixed(2),
      sampleRankCorrelation(predicted, kls).toFixed(2),
    ]);
  }
  const head = ["keys", "worst, predicted and measured", "layers at 1 nat", "rank with error", "rank with KL"];
  console.log(`${name}\n\n${markdownTable([head, ...rows])}\n`);
  await session.dispose();
}
