/**
 * Single-layer KLs against the independent reference (sample 0), and how well their sums rank random plans.
 *   KVTUNER_SHARED=... node benchmarks/additivity.mjs
 */
import { layerScheme, parsePair, parseShorthand } from "@kvtuner/plan";
import { sampleRankCorrelation } from "simple-statistics";
import { markdownTable, sharedJson, sharedPath } from "./shared.mjs";
import { openTextSession } from "./text-session.mjs";

const RANDOM_PLANS = 40;
const PAIRS = ["K8V4", "K4V8", "K4V4", "K4V2", "K2V4", "K2V2"];
const oracle = sharedJson("oracle_smollm2.json").singleLayer;
const session = await openTextSession("smollm2", sharedPath("data", "wikitext2_test.txt"), {
  samples: 1,
  sampleLength: 512,
});
const layers = Array.from({ length: session.shape.layers }, (_, layer) => layer);
const exact = parseShorthand("none").layer;

const singles = async (mode) => {
  const jobs = layers.flatMap((layer) => PAIRS.map((pair) => ({ layer, pair })));
  const plans = jobs.map(({ layer, pair }) =>
    layers.map((l) => (l === layer ? layerScheme(mode, parsePair(pair)) : exact)),
  );
  const scores = await session.evaluator.evaluate(plans);
  return (layer, pair) => scores[jobs.findIndex((job) => job.layer === layer && job.pair === pair)].kl;
};

/** Uniform in mean bits: each plan mixes two neighbouring pairs of a ladder, and a few others. */
const randomPlan = (random, target) =>
  layers.map(() => PAIRS[Math.min(PAIRS.length - 1, Math.max(0, Math.round(target + 3 * (random() - 0.5))))]);

const [floor] = await session.evaluator.evaluate([layers.map(() => exact)]);
console.log(`KL of the 16-bit cache itself: ${floor.kl.toPrecision(3)}\n`);

const beyond = ({ reference, relative }) => Math.abs(relative) > (reference < 1e-3 ? 0.15 : 0.1);

const generator = (seed) => () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;

for (const [name, mode] of [
  ["a", "per-token"],
  ["c", "kivi"],
]) {
  const single = await singles(mode);
  const differences = oracle.layers.flatMap((layer, row) =>
    oracle.pairs.map((pair, column) => {
      const reference = oracle.kl[name][row][column];
      return { layer, pair, reference, kl: single(layer, pair), relative: single(layer, pair) / reference - 1 };
    }),
  );
  const worst = (rows) => rows.reduce((a, b) => (Math.abs(a.relative) > Math.abs(b.relative) ? a : b));
  const large = worst(differences.filter(({ reference }) => reference >= 1e-3));
  const small = worst(differences.filter(({ reference }) => reference < 1e-3));
  const random = generator(7);
  const plans = Array.from({ length: RANDOM_PLANS }, (_, index) =>
    randomPlan(random, (6 * index) / (RANDOM_PLANS - 1)),
  );
  const real = await session.evaluator.evaluate(
    plans.map((pairs) => pairs.map((pair) => layerScheme(mode, parsePair(pair)))),
  );
  const sums = plans.map((pairs) => pairs.reduce((sum, pair, layer) => sum + single(layer, pair), 0));
  const describe = ({ layer, pair, reference, kl, relative }) =>
    `${(100 * relative).toFixed(1)}% (layer ${layer} ${pair}: ${kl.toPrecision(4)}, reference ${reference.toPrecision(4)})`;
  console.log(
    markdownTable([
      [mode, ""],
      ["single-layer KLs compared", String(differences.length)],
      ["beyond 10%, or 15% below 1e-3", differences.filter(beyond).map(describe).join("; ") || "none"],
      ["largest difference, reference 1e-3 and more", describe(large)],
      ["largest difference, reference below 1e-3", describe(small)],
      [
        `Spearman of summed and real KL, ${RANDOM_PLANS} random plans`,
        sampleRankCorrelation(
          sums,
          real.map(({ kl }) => kl),
        ).toFixed(4),
      ],
    ]),
  );
}
await session.dispose();
