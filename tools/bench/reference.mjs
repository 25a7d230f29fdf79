/**
 * Uniform plans of a model against the independent reference: KL, perplexity, true bits.
 * KVTUNER_SHARED=... node tools/bench/reference.mjs smollm2
 */
import { markdownTable, sharedJson, sharedPath } from "./shared.mjs";
import { scorePlans } from "./stream.mjs";

const model = process.argv[2] ?? "smollm2";
const oracle = sharedJson("oracle_smollm2.json");
const MODES = { a: "per-token", c: "kivi", "c+sinks4": "kivi" };
const PUBLISHED_QWEN = {
  "per-token:K4V4": 0.456,
  "per-token:K4V4+sinks4+window32": 0.254,
  "kivi:K4V4": 0.0042,
  "kivi:K4V2": 0.0226,
};

const smollmPlans = () =>
  Object.entries(oracle.uniform).flatMap(([name, figures]) => {
    const [variant, pair] = name.split("/");
    if (!(variant in MODES)) return [];
    return [{ plan: `${MODES[variant]}:${pair}${variant.endsWith("sinks4") ? "+sinks4" : ""}`, ...figures }];
  });

const expected =
  model === "smollm2" ? smollmPlans() : Object.entries(PUBLISHED_QWEN).map(([plan, kl]) => ({ plan, kl }));
const flags = ["--text", sharedPath("data", "wikitext2_test.txt"), "--windows", "8", "--window-length", "512"];
const scores = await scorePlans(
  model,
  flags,
  expected.map(({ plan }) => plan),
);
const rows = expected.map(({ plan, kl, trueBits4096 }, index) => {
  const score = scores[index];
  return [
    plan,
    score.bits.toFixed(4),
    trueBits4096?.toFixed(4) ?? "",
    `${score.kl.toPrecision(4)} +- ${score.klStandardError.toPrecision(2)}`,
    kl.toPrecision(4),
    `${(100 * (score.kl / kl - 1)).toFixed(1)}%`,
    score.perplexity.toFixed(3),
    score.top1.toFixed(4),
  ];
});
console.log(
  `Base perplexity ${scores[0].basePerplexity.toFixed(4)}${model === "smollm2" ? `, reference ${oracle.basePerplexity}` : ""}\n`,
);
console.log(
  markdownTable([
    ["plan", "true bits at 4096", "reference", "KL", "reference", "difference", "perplexity", "top-1"],
    ...rows,
  ]),
);
