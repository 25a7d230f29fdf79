/**
 * How well gradients estimate a profile: every layer's keys alone and values alone, estimated and measured.
 *   npm run -s bench:profile -- MODEL TEXT [--mode compact] [--samples 1] [--sample-length 512] [--bits 2,3,4,8] [--seeds 1] [--cache FILE]
 * TEXT is a file; `embedded` as MODEL is the bundled model. SEEDS repeats the estimate with other random labels. FILE keeps the measured KL, which takes longest.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { embeddedModelUrl } from "@kvtuner/embedded-model";
import { layerScheme, parseShorthand, trueBits } from "@kvtuner/plan";
import { additiveFront } from "@kvtuner/search";
import { createEstimateSum, meanEstimate } from "@kvtuner/sensitivity";
import { sampleRankCorrelation } from "simple-statistics";
import { markdownTable } from "./shared.mjs";
import { openTextSession } from "./text-session.mjs";

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    mode: { type: "string", default: "compact" },
    samples: { type: "string", default: "1" },
    "sample-length": { type: "string", default: "512" },
    bits: { type: "string", default: "2,3,4,8" },
    seeds: { type: "string", default: "1" },
    cache: { type: "string" },
  },
});
const [name, text] = positionals;
const { mode, samples, "sample-length": sampleLength, seeds, cache } = given;
const BITS = given.bits.split(",").map(Number);
const DRAWS = [1, 4];
const BUDGETS = [5, 4.5, 4, 3.5, 3, 2.75];
const LARGE_OUTPUT_ERROR = 0.2;

const session = await openTextSession(name === "embedded" ? fileURLToPath(embeddedModelUrl) : name, text, {
  samples: Number(samples),
  sampleLength: Number(sampleLength),
});
const { model, shape, evaluator, ids } = session;
const cut = Array.from({ length: Number(samples) }, (_, sample) =>
  ids.slice(sample * Number(sampleLength), (sample + 1) * Number(sampleLength)),
);
const exact = parseShorthand("none").layer;
const halves = BITS.flatMap((bits) => [
  layerScheme(mode, { key: bits, value: 16 }),
  layerScheme(mode, { key: 16, value: bits }),
]);
const labels = BITS.flatMap((bits) => [`K${bits}`, `V${bits}`]);
const layers = Array.from({ length: shape.layers }, (_, layer) => layer);

/** Processor time of all threads, which other programs distort less than the clock. */
const timed = async (work) => {
  const start = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(start);
  return [result, (user + system) / 1000];
};

await evaluator.base();
const [, passMs] = await timed(() => evaluator.evaluate([layers.map(() => exact)]));

/** Estimates `[layer][half]` with one seed. */
const estimate = async (seed, draws) => {
  const sums = layers.map(() => cut.map(({ length }) => halves.map(() => createEstimateSum(length, draws))));
  await model.gradients(cut, { draws, seed, counts: () => true }, async ({ layer, sample, gradients, attend }) => {
    const output = await attend(exact);
    for (const [half, scheme] of halves.entries())
      sums[layer][sample][half].add({ exact: output, output: await attend(scheme), gradients });
  });
  return sums.map((bySample) =>
    halves.map((_, half) => {
      const results = bySample.map((own) => own[half].result());
      const outputError = results.reduce((sum, result) => sum + result.outputError, 0) / results.length;
      return { ...meanEstimate(results.map(({ kl }) => kl)), outputError };
    }),
  );
};

/** First-order estimates `[layer][half]` on the tokens that really follow: signed, and absolute token by token. */
const firstOrder = async () => {
  const found = layers.map(() => halves.map(() => [0, 0]));
  await model.gradients(cut, { draws: 1, seed: 0, labels: "next", counts: () => true }, async (place) => {
    const output = await place.attend(exact);
    for (const [half, scheme] of halves.entries()) {
      const sum = createEstimateSum(cut[place.sample].length, 1);
      sum.add({ exact: output, output: await place.attend(scheme), gradients: place.gradients });
      const result = sum.result();
      found[place.layer][half][0] += result.firstOrder[0] / cut.length;
      found[place.layer][half][1] += result.firstOrderAbsolute[0] / cut.length;
    }
  });
  return [0, 1].map((kind) => found.map((own) => own.map((both) => Math.max(0, both[kind]))));
};

/** Measured KL `[layer][half]`. */
const measure = async () => {
  if (cache && existsSync(cache)) return [JSON.parse(readFileSync(cache, "utf8")), 0];
  const plans = layers.flatMap((layer) => halves.map((scheme) => layers.map((l) => (l === layer ? scheme : exact))));
  const [scores, timeMs] = await timed(() =>
    evaluator.evaluate(plans, { positionStride: 2, onScore: () => void process.stderr.write(".") }),
  );
  const measured = layers.map((layer) => halves.map((_, half) => scores[layer * halves.length + half].kl));
  if (cache) writeFileSync(cache, JSON.stringify(measured));
  return [measured, timeMs];
};

const [measured, measuredMs] = await measure();
const overLayers = (estimates) => {
  const correlations = halves.map((_, half) =>
    sampleRankCorrelation(
      estimates.map((own) => own[half]),
      measured.map((own) => own[half]),
    ),
  );
  return correlations.reduce((sum, each) => sum + each, 0) / correlations.length;
};

/** KL by layer and pair, as sums of halves. */
const pairLosses = (table) =>
  table.map((own) => BITS.flatMap((_, key) => BITS.map((_v, value) => own[2 * key] + own[2 * value + 1])));
const pairs = BITS.flatMap((key) => BITS.map((value) => layerScheme(mode, { key, value })));
const costs = layers.map(() =>
  pairs.map((pair) => Math.round(1e6 * trueBits({ layers: layers.map(() => pair), shape }, 4096))),
);
const bestWithin = (front, bits) => front.findLast(({ cost }) => cost / layers.length <= 1e6 * bits);
const trueFront = additiveFront({ costs, losses: pairLosses(measured) });
/** Summed measured KL of the plan that a profile chooses, over that of the best plan. */
const regrets = (table) => {
  const front = additiveFront({ costs, losses: pairLosses(table) });
  return BUDGETS.map((bits) => {
    const [chosen, best] = [bestWithin(front, bits), bestWithin(trueFront, bits)];
    if (!chosen || !best) return "-";
    const losses = pairLosses(measured);
    return (chosen.genome.reduce((sum, choice, layer) => sum + losses[layer][choice], 0) / best.loss).toFixed(3);
  });
};

const row = (title, table, passes) => [
  title,
  passes,
  sampleRankCorrelation(table.flat(), measured.flat()).toFixed(4),
  overLayers(table).toFixed(4),
  ...regrets(table),
];
const rows = [
  ["Profile", "Passes", "Spearman, all", "over layers", ...BUDGETS.map((bits) => `Regret at ${bits} bits`)],
];
rows.push(row("measured", measured, measuredMs === 0 ? "-" : (measuredMs / passMs).toFixed(1)));
let last;
for (const draws of DRAWS)
  for (let seed = 0; seed < Number(seeds); seed++) {
    const [found, timeMs] = await timed(() => estimate(seed, draws));
    const table = found.map((own) => own.map(({ mean }) => mean));
    rows.push(row(`gradient, ${draws} draws, seed ${seed}`, table, (timeMs / passMs).toFixed(1)));
    const mended = table.map((own, layer) =>
      own.map((value, half) => (found[layer][half].outputError > LARGE_OUTPUT_ERROR ? measured[layer][half] : value)),
    );
    const count = found.flat().filter(({ outputError }) => outputError > LARGE_OUTPUT_ERROR).length;
    rows.push(row(`the same, ${count} of ${table.flat().length} cases measured`, mended, "-"));
    last = found;
  }
rows.push(
  row(
    "e_o squared",
    last.map((own) => own.map(({ outputError }) => outputError)),
    "-",
  ),
);
const [signed, absolute] = await firstOrder();
rows.push(row("first order, signed", signed, "-"), row("first order, absolute", absolute, "-"));
console.log(
  `${name}, ${mode}, ${samples} x ${sampleLength} tokens of ${text}; a forward pass takes ${(passMs / 1000).toFixed(2)} s of processor time\n`,
);
console.log(markdownTable(rows));
const cases = layers.flatMap((layer) =>
  halves.map((_, half) => ({
    layer,
    half,
    ...last[layer][half],
    ratio: last[layer][half].mean / measured[layer][half],
    kl: measured[layer][half],
  })),
);
const ratios = cases.map(({ ratio }) => ratio).toSorted((a, b) => a - b);
console.log(
  `\nestimate over measured: median ${ratios[ratios.length >> 1].toFixed(2)}, ${ratios[0].toFixed(2)} to ${ratios.at(-1).toFixed(2)}`,
);
console.log("\nCases of the largest output error:\n");
console.log(
  markdownTable([
    ["Layer", "Half", "e_o²", "Estimate", "Standard error", "Measured", "Ratio"],
    ...cases
      .toSorted((a, b) => b.outputError - a.outputError)
      .slice(0, 24)
      .map(({ layer, half, outputError, mean, standardError, kl, ratio }) => [
        layer,
        labels[half],
        outputError.toFixed(3),
        mean.toPrecision(3),
        standardError.toPrecision(2),
        kl.toPrecision(3),
        ratio.toFixed(2),
      ]),
  ]),
);
await session.dispose();
