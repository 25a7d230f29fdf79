/**
 * What coarse caches cost a miniature, and what a tuned plan saves.
 *   node benchmarks/miniatures.mjs qwen3|gpt-oss [PROMPTS [STUDY]]
 * PROMPTS of each task, 20 by default. STUDY is the folder that the tuned plan comes from, studies/miniatures/NAME by default;
 * a missing study is made.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { embeddedModelUrl, embeddedTasks, embeddedTexts } from "@kvtuner/embedded-model";
import { openModel, openPlanScorer, openTaskScorer, tune } from "kvtuner";
import { losses, markdownTable, percent, shares, shuffled } from "./shared.mjs";

const UNIFORM = ["K8V4", "K4V4", "K4V2", "K3V3", "K2V4", "K2V2"].map((pair) => `per-token:${pair}`);
const ALONE = ["K4V2", "K2V4"].map((pair) => `per-token:${pair}`);
const SHUFFLES = 3;
/** Of the evaluation text, and of the calibration text. */
const SAMPLES = { evaluation: 8, calibration: 4 };
const SAMPLE_LENGTH = 256;

const [, , name = "qwen3", prompts = "20", out = join("studies/miniatures", name)] = process.argv;
const path = fileURLToPath(new URL(`miniatures/${name}.gguf`, embeddedModelUrl));
const model = await openModel(path, { progress: () => {}, warn: () => {} });
const onTasks = await openTaskScorer({
  model,
  task: Object.values(embeddedTasks).map((url) => fileURLToPath(url)),
  prompts: Number(prompts),
});
const text = fileURLToPath(embeddedTexts.evaluation);
const onText = await openPlanScorer({ model, text, samples: SAMPLES.evaluation, sampleLength: SAMPLE_LENGTH });

const scored = async (title, plan) => {
  const [answers, onSamples] = [await onTasks.score(plan), await onText.score(plan)];
  console.error(`${title}: ${percent(answers.accuracy)}, KL ${losses(onSamples)} on text`);
  return { title, answers, onSamples };
};

const row = ({ title, answers, onSamples }) => [
  title,
  `${answers.equivalentBits.toFixed(2)}, ${answers.bits.toFixed(2)}`,
  shares(answers.accuracy, answers.accuracyStandardError),
  losses(answers),
  losses(onSamples),
];

/** The plan that `tune` picks for a limit. */
const tunedPlan = async (title, study, settings) => {
  const folder = join(out, study);
  const { picked } = await tune({
    model,
    out: folder,
    text: fileURLToPath(embeddedTexts.calibration),
    mode: "per-token",
    samples: SAMPLES.calibration,
    sampleLength: SAMPLE_LENGTH,
    evaluations: 24,
    ...settings,
  });
  console.log(`${title}: ${picked.pairs.join(" ")}\n`);
  return JSON.parse(readFileSync(join(folder, "plan.json"), "utf8"));
};

const plan = await tunedPlan("Tuned, at most 3 equivalent bits", "equivalent", {
  cost: "equivalent",
  limit: { kind: "equivalent-bits", bits: 3 },
});
const smallPlan = await tunedPlan("Tuned, at most 4 true bits", "true", { limit: { kind: "bits", bits: 4 } });

const uniform = [];
for (const each of UNIFORM) uniform.push(await scored(each, each));
const tuned = await scored("tuned, 3 equivalent bits", plan);
const small = await scored("tuned, 4 true bits", smallPlan);
const mixed = [];
for (let seed = 1; seed <= SHUFFLES; seed++)
  mixed.push(await scored(`shuffled ${seed}`, { ...plan, layers: shuffled(plan.layers, seed) }));

const { floatAccuracy, floatAccuracyStandardError, tasks } = tuned.answers;
console.log(
  `${prompts} prompts of each task; the float cache answers ${shares(floatAccuracy, floatAccuracyStandardError)}%\n`,
);
const head = ["Plan", "Equivalent, true bits", "Accuracy, %", "KL on answers", "KL on text"];
console.log(markdownTable([head, ...[...uniform, tuned, small, ...mixed].map(row)]));

const byTask = (title, cells) => [title, ...cells];
console.log(
  `\n${markdownTable([
    ["Plan", ...Object.keys(embeddedTasks)],
    byTask(
      "float",
      tasks.map((task) => shares(task.floatAccuracy, task.floatAccuracyStandardError)),
    ),
    ...[...uniform, tuned, small].map(({ title, answers }) =>
      byTask(
        title,
        answers.tasks.map((task) => shares(task.accuracy, task.accuracyStandardError)),
      ),
    ),
  ])}`,
);

const none = onText.read("none");
const alone = async (pair, layer) => {
  const quantized = onText.read(pair).layers[layer];
  const { kl } = await onText.score({ ...none, layers: none.layers.with(layer, quantized) });
  return kl.toPrecision(3);
};
const rows = [];
for (const pair of ALONE) {
  const cells = [];
  for (const layer of none.layers.keys()) cells.push(await alone(pair, layer));
  rows.push([pair, ...cells]);
}
const layerHead = ["Pair", ...none.layers.keys()].map(String);
console.log(`\nKL on text with one layer quantized:\n\n${markdownTable([layerHead, ...rows])}`);

await onTasks.dispose();
await onText.dispose();
await model.dispose();
