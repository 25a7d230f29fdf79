// Runs everything that must pass before a change goes in:  npm run check [-- NAME ...]
// The last line is the total: tests count one by one, every other step as one. A table of step times comes before it.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bootstrap } from "./bootstrap.mjs";
import { findChromium } from "./browser.mjs";
import { build } from "./build.mjs";
import { node24 } from "./second-node.mjs";
import { reports, runTests } from "./test-runs.mjs";
import { vulkan } from "./vulkan.mjs";
import { installed, pnpm, root, run } from "./workspace.mjs";

/** Runs one command; prints its output only if it fails. */
const command = (argv) => async () => {
  const { code, output } = await run(argv, { output: "capture" });
  if (code !== 0) console.log(output);
  return code === 0 ? { passed: 1 } : { failed: 1 };
};

const script = (name) => command([process.execPath, join(root, "tools/checks", name)]);

const buildAll = async () => {
  await build();
  return { passed: 1 };
};

/**
 * Tests that can depend on the version of Node: WebAssembly and its SIMD, workers, native modules, files, streams, text, the
 * command line. Plain arithmetic and checks of the checks run on one version; `tarballs` runs every package on both.
 */
const dependsOnNode = [
  "packages/backend/src",
  "packages/backend-",
  "packages/decoder",
  "packages/quantizers",
  "apps/kvtuner/src",
  "apps/kvtuner/test/run-cli.test.ts",
];

const testsOnNode24 = async () => {
  const { path, skipped, failed } = await node24();
  if (path) return runTests({ node: path, name: "node24" }, "--project", "together", ...dependsOnNode);
  console.log(skipped ?? failed);
  return skipped ? { skipped: 1 } : { failed: 1 };
};

const testsInBrowser = async () => {
  const chromium = findChromium();
  if (chromium) {
    process.env.KVTUNER_CHROMIUM = chromium;
    return runTests({ name: "browser" }, "--config", "vitest.browser.config.ts");
  }
  console.log("skipped: no Chromium is installed; install one, or name it in KVTUNER_CHROMIUM");
  return { skipped: 1 };
};

/** Kernels for GPUs, on software drivers and shims. Tests that need a real driver say so if there is none. */
const testsOnGpu = async () => {
  const { env, skipped } = await vulkan();
  if (skipped) console.log(`WebGPU is skipped: ${skipped}`);
  return runTests({ name: "gpu", env }, "--config", "vitest.gpu.config.ts");
};

/** Runs a script of tools/ and shows its output. */
const visible =
  (...argv) =>
  async () => {
    const { code } = await run([process.execPath, ...argv]);
    return code === 0 ? { passed: 1 } : { failed: 1 };
  };

/** Steps run in this order, whatever the command line's: those that fail fastest come first. */
const steps = {
  format: command(installed("oxfmt/bin/oxfmt", "--check")),
  direction: script("dependency-direction.mjs"),
  lint: command(installed("oxlint/bin/oxlint")),
  unused: command(installed("knip/bin/knip.js")),
  changesets: script("release.mjs"),
  types: command(pnpm("exec", "turbo", "run", "typecheck", "--concurrency=100%", "--output-logs=errors-only")),
  build: buildAll,
  packages: script("packages.mjs"),
  size: script("sizes.mjs"),
  docs: command([process.execPath, join(root, "tools/docs.mjs")]),
  tarballs: visible("tools/checks/tarballs.mjs"),
  "gpu-archive": script("gpu-archive.mjs"),
  model: visible("tools/model/fetch.mjs", "smollm2"),
  demo: visible("tools/demo.mjs"),
  tests: () => runTests({ name: "node" }),
  "tests-node24": testsOnNode24,
  "tests-browser": testsInBrowser,
  "tests-gpu": testsOnGpu,
};

/** Steps that need a network or minutes, and run only if named. */
const extra = ["model", "demo"];

/** Without a name, or with "all": every step that need not be named. */
const chosenSteps = (names) => {
  const known = Object.keys(steps);
  const isChosen = (name) =>
    names.includes(name) || ((names.length === 0 || names.includes("all")) && !extra.includes(name));
  const unknown = names.filter((name) => name !== "all" && !known.includes(name));
  if (unknown.length === 0) return known.filter(isChosen);
  console.error(`No check is named ${unknown.join(", ")}; there are: all, ${known.join(", ")}`);
  return process.exit(2);
};

/** Runs one step; returns its counts and its time. */
const runStep = async (name) => {
  console.log(`\n--- ${name}`);
  const started = performance.now();
  const counts = await steps[name]().catch((error) => {
    console.log(error.message);
    return { failed: 1 };
  });
  const seconds = Math.round((performance.now() - started) / 100) / 10;
  console.log(`--- ${name}: ${counts.failed ? "FAILED" : "ok"} (${seconds.toFixed(1)} s)`);
  return { name, seconds, passed: 0, failed: 0, skipped: 0, ...counts };
};

/** One line per step (name, state, time) and the total time. */
const timesOf = (results) => {
  const line = (name, state, seconds) => `${name.padEnd(14)} ${state.padEnd(6)} ${seconds.toFixed(1).padStart(7)} s`;
  const lines = results.map(({ name, seconds, failed }) => line(name, failed > 0 ? "FAILED" : "ok", seconds));
  return [...lines, line("total", "", sum(results, "seconds"))].join("\n");
};

const sum = (results, key) => results.reduce((total, counts) => total + counts[key], 0);

const names = chosenSteps(process.argv.slice(2));
await bootstrap();
mkdirSync(reports, { recursive: true });
const results = [];
for (const name of names) results.push(await runStep(name));
const failing = results.filter(({ failed }) => failed > 0);
for (const failure of results.flatMap(({ failures = [] }) => failures)) console.log(`\n${failure}`);
if (failing.length > 0) console.log(`\nFailed: ${failing.map(({ name }) => name).join(", ")}`);
console.log(`\n${timesOf(results)}`);
writeFileSync(
  join(reports, "steps.json"),
  `${JSON.stringify(results, ["name", "seconds", "passed", "failed", "skipped"], 2)}\n`,
);
const skipped = sum(results, "skipped");
console.log(
  `\n${sum(results, "passed")} passed, ${sum(results, "failed")} failed${skipped ? `, ${skipped} skipped` : ""}`,
);
process.exitCode = failing.length > 0 ? 1 : 0;
