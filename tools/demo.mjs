// Tunes the embedded model, quickly, and runs what was found beside the float cache:  npm run demo
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { prepare } from "./prepare.mjs";
import { root, run } from "./workspace.mjs";

const study = "studies/demo";
const embedded = "packages/embedded-model";
const model = `${embedded}/model.gguf`;
const kvtuner = (...args) => [process.execPath, "apps/kvtuner/dist/cli.js", ...args];
const flags = (text) => text.split(" ");

const step = async (argv) => {
  const { code } = await run(argv);
  if (code !== 0) process.exit(code);
};

await prepare();
const text = ["--text", `${embedded}/text/calibration.txt`];
await step(kvtuner("tune", model, ...text, ...flags("--mode per-token --evaluations 60 --bits 4 --out"), study));

const tasks = readFileSync(join(root, embedded, "tasks/recall-24.jsonl"), "utf8");
const { prompt, answer } = JSON.parse(tasks.split("\n", 1)[0]);
console.log(`\n${prompt}  (expected: ${answer})`);
for (const [name, plan] of [
  ["float cache", "none"],
  ["tuned plan", `${study}/plan.json`],
  ["per-token:K2V2", "per-token:K2V2"],
]) {
  console.log(`\n${name}:`);
  await step(kvtuner("run", model, "--plan", plan, "--prompt", prompt, ...flags("--max-tokens 8")));
}
console.log(`\nLook at ${study}/report.html`);
