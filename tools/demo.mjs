// Tunes the embedded model quickly, and compares the plan with the float cache:  npm run demo
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { prepare } from "./prepare.mjs";
import { root, run } from "./workspace.mjs";

const study = "studies/demo";
const embedded = "packages/embedded-model";
const model = "embedded";
const tasks = ["recall-6", "recall-24", "recall-48", "chain-4", "chain-10", "copy", "reverse"];
const kvtuner = (...args) => [process.execPath, "apps/kvtuner/dist/cli.js", ...args];
const flags = (text) => text.split(" ");

const step = async (argv) => {
  const { code } = await run(argv);
  if (code !== 0) process.exit(code);
};

await prepare();
console.log("Tuning on text like the model's training data, with at most 3 equivalent bits:\n");
// A pass takes milliseconds here, and gradients tell little of a model so certain of its text: measure all.
const settings = flags("--mode per-token --measure kl --samples 4 --evaluations 40 --equivalent-bits 3 --out");
await step(kvtuner("tune", model, ...settings, study));

const plan = `${study}/plan.json`;
console.log("\nThe picked plan and the float cache on 300 prompts of each task, none used for tuning:\n");
const files = tasks.map((task) => `${embedded}/tasks/${task}.jsonl`).join();
await step(kvtuner("eval", model, "--plan", plan, "--task", files));

const [line] = readFileSync(join(root, embedded, "tasks/recall-24.jsonl"), "utf8").split("\n", 1);
const { prompt, answer } = JSON.parse(line);
console.log(`\n${prompt}  (expected: ${answer})`);
for (const [name, cache] of [
  ["float cache", "none"],
  ["tuned plan", plan],
  ["per-token:K2V2", "per-token:K2V2"],
]) {
  console.log(`\n${name}:`);
  await step(kvtuner("run", model, "--plan", cache, "--prompt", prompt, ...flags("--max-tokens 8")));
}
console.log(`\nLook at ${study}/report.html`);
