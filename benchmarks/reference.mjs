/**
 * Uniform plans of a model compared with the independent reference: KL, perplexity, true bits at 4096 tokens.
 *   KVTUNER_SHARED=... node benchmarks/reference.mjs smollm2|qwen05
 */
import { parseShorthand, trueBits } from "@kvtuner/plan";
import { markdownTable, sharedJson, sharedPath } from "./shared.mjs";
import { openTextSession, uniform } from "./text-session.mjs";

const model = process.argv[2] ?? "smollm2";
const oracle = sharedJson("oracle_smollm2.json");
const MODES = { a: "per-token", c: "kivi", "c+sinks4": "kivi" };
const QWEN = {
  "per-token:K4V4": 0.456,
  "per-token:K4V4+sinks4+recent32": 0.254,
  "kivi:K4V4": 0.0042,
  "kivi:K4V2": 0.0226,
};

const smollmPlans = () =>
  Object.entries(oracle.uniform).flatMap(([name, figures]) => {
    const [variant, pair] = name.split("/");
    if (!(variant in MODES)) return [];
    return [{ plan: `${MODES[variant]}:${pair}${variant.endsWith("sinks4") ? "+sinks4" : ""}`, ...figures }];
  });

const expected = model === "smollm2" ? smollmPlans() : Object.entries(QWEN).map(([plan, kl]) => ({ plan, kl }));
const session = await openTextSession(model, sharedPath("data", "wikitext2_test.txt"), {
  samples: 8,
  sampleLength: 512,
});
const base = await session.evaluator.base();
console.log(
  `Base perplexity ${base.perplexity.toFixed(4)}${model === "smollm2" ? `, reference ${oracle.basePerplexity}` : ""}\n`,
);
const rows = [];
for (const { plan, kl, trueBits4096 } of expected) {
  const layers = uniform(session.shape, parseShorthand(plan).layer);
  const [score] = await session.evaluator.evaluate([layers]);
  rows.push([
    plan,
    trueBits({ layers, shape: session.shape }, 4096).toFixed(4),
    trueBits4096?.toFixed(4) ?? "",
    `${score.kl.toPrecision(4)} ± ${score.klStandardError.toPrecision(2)}`,
    kl.toPrecision(4),
    `${(100 * (score.kl / kl - 1)).toFixed(1)}%`,
    score.perplexity.toFixed(3),
    score.top1.toFixed(4),
  ]);
  console.error(rows.at(-1).join("  "));
}
console.log(
  markdownTable([
    ["plan", "true bits at 4096", "reference", "KL", "reference", "difference", "perplexity", "top-1"],
    ...rows,
  ]),
);
await session.dispose();
