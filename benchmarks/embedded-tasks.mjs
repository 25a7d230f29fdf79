import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
/**
 * The paper's claim in miniature: how much of the embedded model's accuracy plans keep, compared with the float cache.
 *   node benchmarks/embedded-tasks.mjs [PROMPTS [STUDIES]]
 * PROMPTS of each task, 300 by default. STUDIES is the folder of the studies that tuned plans come from, studies/embedded by
 * default; missing studies are made.
 */
import { embeddedModelUrl, embeddedTasks, embeddedTexts } from "@kvtuner/embedded-model";
import { openModel, openPlanScorer, openTaskScorer, tune } from "kvtuner";
import { losses, markdownTable, percent, shares, shuffled } from "./shared.mjs";

const UNIFORM = ["K8V8", "K8V4", "K4V4", "K4V2", "K3V3", "K2V4", "K2V2"].map((pair) => `per-token:${pair}`);
const KIVI = ["K4V4", "K4V2", "K2V2"].map((pair) => `kivi:${pair}`);
const SAME_BITS = ["K4V2", "K3V3", "K2V4"].map((pair) => `per-token:${pair}`);
const SHUFFLES = 5;
/** All samples in the evaluation text: with 16, the ratio of two plans' KL has a standard error of 15%. */
const TEXT_SAMPLES = 60;
/** Prompts of each task, for the plan tuned on answers. */
const TUNING_PROMPTS = 40;
const NINE_PAIRS = [8, 4, 2].flatMap((key) => [8, 4, 2].map((value) => `K${key}V${value}`));

const prompts = Number(process.argv[2] ?? 300);
const studies = process.argv[3] ?? "studies/embedded";
const quiet = { progress: () => {}, warn: () => {} };
const model = await openModel(fileURLToPath(embeddedModelUrl), quiet);
const tasks = Object.values(embeddedTasks).map((url) => fileURLToPath(url));
const onTasks = await openTaskScorer({ model, task: tasks, prompts });
const text = fileURLToPath(embeddedTexts.evaluation);
const onText = await openPlanScorer({ model, text, samples: TEXT_SAMPLES, sampleLength: 512 });
const say = (line) => console.error(line);

/** The first prompts of each task, in files of their own. */
const tuningTasks = () => {
  const folder = join(studies, "tuning-prompts");
  mkdirSync(folder, { recursive: true });
  return Object.entries(embeddedTasks).map(([name, url]) => {
    const path = join(folder, `${name}.jsonl`);
    const lines = readFileSync(url, "utf8").split("\n").slice(0, TUNING_PROMPTS);
    writeFileSync(path, `${lines.join("\n")}\n`);
    return path;
  });
};

/** The plan that `tune` picks. */
const tuned = async (name, options) => {
  const out = join(studies, name);
  const started = performance.now();
  const { evaluations, picked } = await tune({ model, out, mode: "per-token", ...options });
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  say(`${name}: ${evaluations} plans in ${seconds} s, picked ${picked.pairs.join(" ")}`);
  return JSON.parse(readFileSync(join(out, "plan.json"), "utf8"));
};

const atMost = (bits) => ({ limit: { kind: "equivalent-bits", bits } });
const byText = { text: fileURLToPath(embeddedTexts.calibration), samples: 4, evaluations: 40 };
/** Plans that lose less need more text to tell them apart. */
const byMoreText = { ...byText, samples: 16 };
const byAnswers = {
  task: tuningTasks(),
  strategy: "nsga2-groups",
  objective: "task",
  cost: "equivalent",
  pairs: NINE_PAIRS,
  evaluations: 40,
};

const scored = async (name, plan) => {
  const answers = await onTasks.score(plan);
  const onSamples = await onText.score(plan);
  say(`${name}: ${shares(answers.accuracy, answers.accuracyStandardError)}, KL ${losses(onSamples)} on text`);
  return { name, plan, answers, onSamples };
};

const row = ({ name, answers, onSamples }) => [
  name,
  answers.equivalentBits.toFixed(2),
  answers.bits.toFixed(2),
  String(answers.bytes),
  shares(answers.accuracy, answers.accuracyStandardError),
  name === "float" ? "" : `${percent(answers.difference)} ± ${percent(answers.standardError)}`,
  name === "float" ? "" : answers.pValue.toPrecision(2),
  name === "float" ? "" : losses(answers),
  name === "float" ? "" : losses(onSamples),
];

const HEAD = [
  "plan",
  "equivalent bits",
  "true bits",
  "bytes at 4096",
  "accuracy",
  "less float",
  "p",
  "KL, answers",
  "KL, text",
];

/** The float cache answers in every evaluation; its figures come from its own. */
const float = ({ answers, onSamples }) => ({
  name: "float",
  answers: {
    ...answers,
    accuracy: answers.floatAccuracy,
    accuracyStandardError: answers.floatAccuracyStandardError,
    tasks: answers.tasks.map((task) => ({
      ...task,
      accuracy: task.floatAccuracy,
      accuracyStandardError: task.floatAccuracyStandardError,
    })),
  },
  onSamples,
});

const none = await scored("16 bits", "none");
const rows = [float(none), none];
for (const plan of [...UNIFORM, ...KIVI]) rows.push(await scored(plan, plan));
rows.push(await scored("tuned on text, at most 3", await tuned("text", { ...byText, ...atMost(3) })));
for (const bits of [4, 5])
  rows.push(await scored(`tuned on text, at most ${bits}`, await tuned("text-16", { ...byMoreText, ...atMost(bits) })));
const demo = rows.find(({ name }) => name === "tuned on text, at most 3");
const mixed = [];
for (let seed = 1; seed <= SHUFFLES; seed++)
  mixed.push(await scored(`shuffled ${seed}`, { ...demo.plan, layers: shuffled(demo.plan.layers, seed) }));

rows.push(await scored("tuned by answers, at most 3", await tuned("answers", { ...byAnswers, ...atMost(3) })));

console.log(
  `${prompts} prompts of each of ${tasks.length} tasks, KL on text over ${TEXT_SAMPLES} samples of 512 tokens\n`,
);
console.log(markdownTable([HEAD, ...rows.map(row)]));

const names = Object.keys(embeddedTasks);
const byTask = ({ name, answers }) => [
  name,
  ...answers.tasks.map(({ accuracy, accuracyStandardError }) => shares(accuracy, accuracyStandardError)),
];
console.log(`\n${markdownTable([["plan", ...names], ...rows.map(byTask)])}`);

const accuracies = mixed.map(({ answers }) => answers.accuracy).toSorted((one, other) => other - one);
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const kls = mixed.map(({ answers }) => answers.kl);
console.log(
  `\nthe pairs of "${demo.name}" shuffled over the layers, ${SHUFFLES} times: accuracy ${percent(mean(accuracies))} on average, ${percent(accuracies[0])} at best, ${percent(accuracies.at(-1))} at worst; KL on answers ${mean(kls).toPrecision(3)} on average, ${Math.min(...kls).toPrecision(3)} at best`,
);
for (const name of SAME_BITS) {
  const other = rows.find((candidate) => candidate.name === name);
  console.log(
    `KL of ${name} over that of "${demo.name}": ${(other.answers.kl / demo.answers.kl).toFixed(2)} on answers, ${(other.onSamples.kl / demo.onSamples.kl).toFixed(2)} on text`,
  );
}
/** Prompts alternate between tasks, so the last ones were never used for tuning. */
const unseen = (correct) => correct.slice(TUNING_PROMPTS * tasks.length);
if (prompts > TUNING_PROMPTS)
  for (const { name, answers } of rows) {
    const right = unseen(answers.correct).map(Number);
    const floatRight = unseen(answers.floatCorrect).map(Number);
    if (name.startsWith("tuned"))
      console.log(
        `${name}, on the last ${prompts - TUNING_PROMPTS} prompts of each task: ${percent(mean(right))}, float ${percent(mean(floatRight))}`,
      );
  }
await onTasks.dispose();
await onText.dispose();
await model.dispose();
