// Tunes a small model, quickly, and shows what was found:  npm run demo
import { existsSync } from "node:fs";
import { join } from "node:path";
import { prepare } from "./prepare.mjs";
import { root, run } from "./workspace.mjs";

const study = "studies/demo";
const node = (...args) => [process.execPath, ...args];
const kvtuner = (...args) => node("apps/kvtuner/dist/cli.js", ...args);

const steps = [
  node("tools/model/fetch.mjs", "smollm2"),
  kvtuner(
    "tune",
    "smollm2",
    "--mode",
    "compact",
    "--pairs",
    "K8V4,K4V4,K4V3,K4V2,K3V3,K3V2,K2V2",
    "--windows",
    "1",
    "--evaluations",
    "20",
    "--bits",
    "4",
    "--out",
    study,
  ),
  kvtuner("inspect", study),
];

await prepare();
for (const step of steps) {
  const { code } = await run(step);
  if (code !== 0) process.exit(code);
}
if (existsSync(join(root, study, "report.html"))) console.log(`\nReport: ${study}/report.html`);
