/**
 * Two precisions in one layer, by attention (ZipCache, MiKV), next to one precision: KL to the float cache on windows of a
 * text, and bytes at the end of a window as bits per number.
 *   npm run -s bench:salient -- MODEL TEXT [--windows 2x512]
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createSalientAttention, mikvScheme, ZIPCACHE } from "@kvtuner/evaluation";
import { parseShorthand, planBytes, storedNumbers } from "@kvtuner/plan";
import { textSamples } from "@kvtuner/tuning";
import { openModel } from "kvtuner";
import { losses, markdownTable } from "./shared.mjs";

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: { windows: { type: "string", default: "2x512" } },
});
const [name, textFile] = positionals;
const model = await openModel(name, { progress: () => {}, warn: console.error });
const { shape } = model;
const [samples, sampleLength] = given.windows.split("x").map(Number);
const evaluator = await model.evaluator(textSamples(model, readFileSync(textFile, "utf8"), { samples, sampleLength }));

const bitsOf = (bytes) => ((8 * bytes) / storedNumbers(shape, sampleLength)).toFixed(2);

const salient = async (scheme) => {
  let attention;
  const open = async () => (attention = createSalientAttention(shape, scheme));
  const score = await evaluator.scoreRuntime(open, { pieceTokens: sampleLength });
  return [losses(score), bitsOf(attention.bytes())];
};

const uniform = async (shorthand) => {
  const layers = Array.from({ length: shape.layers }, () => parseShorthand(shorthand).layer);
  const [score] = await evaluator.evaluate([layers]);
  return [losses(score), bitsOf(planBytes({ layers, shape }, sampleLength).total)];
};

const bySums = { kind: "accumulated", recent: 0 };
const rows = [
  ...["kivi:K4V4", "kivi:K4V2", "kivi:K2V2", "compact:K4V3", "compact:K3V3"].map((text) => [text, () => uniform(text)]),
  ["ZipCache, 60% in 4 bits, others in 2", () => salient(ZIPCACHE)],
  ["the same by sums of attention", () => salient({ ...ZIPCACHE, rule: bySums })],
  ["its quantizers, all in 4 bits", () => salient({ ...ZIPCACHE, share: 1 })],
  ["its quantizers, all in 2 bits", () => salient({ ...ZIPCACHE, share: 0 })],
  ...[
    [0.5, 4],
    [0.5, 2],
    [0.25, 4],
    [0.25, 3],
    [0.25, 2],
  ].map(([share, bits]) => [
    `MiKV, ${100 * share}% in 16 bits, others in ${bits}`,
    () => salient(mikvScheme(share, bits)),
  ]),
  ["25% and 2 bits without the balancer", () => salient({ ...mikvScheme(0.25, 2), isBalanced: false })],
];

const cells = [];
for (const [label, score] of rows) {
  cells.push([label, ...(await score())]);
  console.error(...cells.at(-1));
}
console.log(markdownTable([["cache", "KL", "bits"], ...cells]));
await model.dispose();
