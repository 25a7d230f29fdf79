/**
 * The plans of finished studies on a text they were not tuned on: for each budget, the study's best plan within it.
 *   KVTUNER_SHARED=... node benchmarks/tuned.mjs SAMPLES SAMPLE_LENGTH BITS[,BITS...] STUDY|SHORTHAND [...]
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { layerScheme, parsePair, parseShorthand, trueBits } from "@kvtuner/plan";
import { sampleRankCorrelation } from "simple-statistics";
import { markdownTable, sharedPath } from "./shared.mjs";
import { openTextSession, uniform } from "./text-session.mjs";

const [samples, sampleLength, budgets, ...targets] = process.argv.slice(2);
const session = await openTextSession("smollm2", sharedPath("data", "wikitext2_test.txt"), {
  samples: Number(samples),
  sampleLength: Number(sampleLength),
});
const { shape } = session;

const studyPlans = (folder) => {
  const settings = JSON.parse(readFileSync(join(folder, "settings.json"), "utf8"));
  const { front } = JSON.parse(readFileSync(join(folder, "front.json"), "utf8"));
  const layersOf = (plan) => plan.pairs.map((pair) => layerScheme(settings.mode, parsePair(pair)));
  const best = budgets
    .split(",")
    .map((bits) => ({ bits, plan: front.filter((plan) => plan.bits <= Number(bits)).sort((a, b) => a.kl - b.kl)[0] }));
  return {
    rows: best
      .filter(({ plan }) => plan)
      .map(({ bits, plan }) => ({ name: `${folder} at ${bits}`, tuned: plan.kl, layers: layersOf(plan) })),
    front: front.map((plan) => ({ tuned: plan.kl, layers: layersOf(plan) })),
  };
};

const shorthand = (text) => ({ rows: [{ name: text, layers: uniform(shape, parseShorthand(text).layer) }], front: [] });

const rows = [];
for (const target of targets) {
  const { rows: plans, front } = existsSync(target) ? studyPlans(target) : shorthand(target);
  const scores = await session.evaluator.evaluate(plans.map(({ layers }) => layers));
  for (const [index, { name, tuned, layers }] of plans.entries()) {
    const { kl, klStandardError, top1, perplexity } = scores[index];
    const error = Number.isFinite(klStandardError) ? ` ± ${klStandardError.toPrecision(2)}` : "";
    rows.push([
      name,
      trueBits({ layers, shape }, 4096).toFixed(3),
      `${kl.toPrecision(4)}${error}`,
      tuned?.toPrecision(4) ?? "",
      perplexity.toFixed(3),
      top1.toFixed(4),
    ]);
    console.error(rows.at(-1).join("  "));
  }
  if (process.env.FRONT_ORDER && front.length > 2) {
    const all = await session.evaluator.evaluate(front.map(({ layers }) => layers));
    console.log(
      `${target}: Spearman of KL on both texts over ${front.length} plans of the front: ${sampleRankCorrelation(
        front.map(({ tuned }) => tuned),
        all.map(({ kl }) => kl),
      ).toFixed(4)}\n`,
    );
  }
}
console.log(
  markdownTable([
    ["plan", "true bits at 4096", "KL on the test text", "KL where tuned", "perplexity", "top-1"],
    ...rows,
  ]),
);
await session.dispose();
