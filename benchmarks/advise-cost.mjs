/**
 * What advice costs, in forward passes over the same samples: processor time of both, passes before and after.
 *   npm run -s bench:advise-cost -- MODEL TEXT [--for llama.cpp,vllm] [--samples 2] [--sample-length 512]
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { FLOAT16 } from "@kvtuner/plan";
import { adviseModel, RUNTIMES, textSamples } from "@kvtuner/tuning";
import { openModel } from "kvtuner";
import { median } from "simple-statistics";
import { markdownTable } from "./shared.mjs";

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    for: { type: "string", default: RUNTIMES.map(({ name }) => name).join() },
    samples: { type: "string", default: "2" },
    "sample-length": { type: "string", default: "512" },
  },
});
const [name, textFile] = positionals;
const callbacks = { progress: () => {}, warn: console.error };
const model = await openModel(name, callbacks);
const sizes = { samples: Number(given.samples), sampleLength: Number(given["sample-length"]) };
const samples = textSamples(model, readFileSync(textFile, "utf8"), sizes);

const seconds = async (work) => {
  const start = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
};

const evaluator = await model.evaluator(samples);
await evaluator.base();
const layer = { key: FLOAT16, value: FLOAT16, residency: { kind: "prefix", sinks: 0, recent: 0 } };
const layers = Array.from({ length: model.shape.layers }, () => layer);
const passes = [];
const threePasses = async () => {
  for (let round = 0; round < 3; round++) passes.push(await seconds(() => evaluator.evaluate([layers])));
};
await threePasses();
const rows = [];
for (const runtimeName of given.for.split(",")) {
  const runtime = RUNTIMES.find((known) => known.name === runtimeName);
  let advice;
  const took = await seconds(async () => {
    advice = await adviseModel(model, { runtime, samples, context: 4096, seed: 0 }, callbacks);
  });
  await threePasses();
  rows.push({ runtimeName, took, measured: advice.settings.length, considered: advice.considered });
  console.error(runtimeName, took.toFixed(1), "s,", (took / median(passes)).toFixed(1), "passes");
}
const pass = median(passes);
console.log(`one pass: ${pass.toFixed(2)} s of processor time`);
console.log(
  markdownTable([
    ["runtime", "settings", "measured", "passes"],
    ...rows.map((row) => [row.runtimeName, `${row.considered}`, `${row.measured}`, (row.took / pass).toFixed(1)]),
  ]),
);
await evaluator.dispose();
await model.dispose();
