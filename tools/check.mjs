// Everything that must hold before a change goes in:  npm run check [-- NAME ...]
// The last line is the sum: every step that is no test counts as one, tests count one by one.
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { bootstrap } from "./bootstrap.mjs";
import { findChromium } from "./browser.mjs";
import { build } from "./build.mjs";
import { node24 } from "./second-node.mjs";
import { vulkan } from "./vulkan.mjs";
import { cacheFolder, installed, pnpm, root, run } from "./workspace.mjs";

const reports = join(cacheFolder, "reports");

/** Runs one command; all its output is shown when it fails. */
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

/** Runs tests on a Node, counted from vitest's report. */
const tests = (node, name, ...filters) => testsWith({}, node, name, ...filters);

/** The same with more environment variables. */
const testsWith = async (env, node, name, ...filters) => {
  const report = join(reports, `${name}.json`);
  rmSync(report, { force: true });
  const [, ...vitest] = installed("vitest/vitest.mjs", "run", ...filters, "--reporter=default", "--reporter=json");
  const { code } = await run([node, ...vitest, `--outputFile.json=${report}`], { env });
  return withExitCode(code, countsOf(report));
};

const countsOf = (report) => {
  try {
    const results = JSON.parse(readFileSync(report, "utf8"));
    const skipped = results.numPendingTests + results.numTodoTests;
    return { passed: results.numPassedTests, failed: results.numFailedTests, skipped, failures: failuresOf(results) };
  } catch (error) {
    console.log(`No test report: ${error instanceof Error ? error.message : "unreadable"}`);
    return { failed: 1 };
  }
};

/** File, name and message of each test that failed, and of each file that did not load. */
const failuresOf = ({ testResults }) =>
  testResults.flatMap(({ name, status, message, assertionResults }) => {
    const failed = assertionResults.filter((test) => test.status === "failed");
    const file = relative(root, name);
    if (failed.length === 0) return status === "failed" ? [`${file}\n${message}`] : [];
    return failed.map(({ fullName, failureMessages }) => `${file}: ${fullName}\n${failureMessages.join("\n")}`);
  });

/** A run that fails without a failed test (a file that does not load) is a failure all the same. */
const withExitCode = (code, counts) => (code !== 0 && !counts.failed ? { ...counts, failed: 1 } : counts);

/** Checks of the checks: whether suites find what is broken depends on no version of Node. */
const ofTests = ["packages/backend/src/test/**", "tools/create-backend/**", "packages/backend/examples/**"];

const testsOnNode24 = async () => {
  const { path, skipped, failed } = await node24();
  const filters = ["packages", "apps/kvtuner/src", "apps/kvtuner/test/run-cli.test.ts", "tools"];
  const excluded = ofTests.flatMap((glob) => ["--exclude", glob]);
  if (path) return tests(path, "node24", ...filters, ...excluded);
  console.log(skipped ?? failed);
  return skipped ? { skipped: 1 } : { failed: 1 };
};

const testsInBrowser = async () => {
  const chromium = findChromium();
  if (chromium) {
    process.env.KVTUNER_CHROMIUM = chromium;
    return tests(process.execPath, "browser", "--config", "vitest.browser.config.ts");
  }
  console.log("skipped: no Chromium is installed; install one, or name it in KVTUNER_CHROMIUM");
  return { skipped: 1 };
};

/** Kernels for GPUs, on drivers in software and in shims; tests that need a driver say so when there is none. */
const testsOnGpu = async () => {
  const { env, skipped } = await vulkan();
  if (skipped) console.log(`WebGPU is skipped: ${skipped}`);
  return testsWith(env ?? {}, process.execPath, "gpu", "--config", "vitest.gpu.config.ts");
};

/** Runs a script of tools/ in plain view. */
const visible =
  (...argv) =>
  async () => {
    const { code } = await run([process.execPath, ...argv]);
    return code === 0 ? { passed: 1 } : { failed: 1 };
  };

/** In order; a name on the command line picks a step. */
const steps = {
  format: command(installed("oxfmt/bin/oxfmt", "--check")),
  lint: command(installed("oxlint/bin/oxlint")),
  direction: script("dependency-direction.mjs"),
  build: buildAll,
  types: command(pnpm("exec", "turbo", "run", "typecheck", "--concurrency=100%", "--output-logs=errors-only")),
  unused: command(installed("knip/bin/knip.js")),
  packages: script("packages.mjs"),
  tarballs: visible("tools/checks/tarballs.mjs"),
  size: script("sizes.mjs"),
  docs: command([process.execPath, join(root, "tools/docs.mjs")]),
  changesets: script("release.mjs"),
  tests: () => tests(process.execPath, "node"),
  "tests-node24": testsOnNode24,
  "tests-browser": testsInBrowser,
  "tests-gpu": testsOnGpu,
  model: visible("tools/model/fetch.mjs", "smollm2"),
  demo: visible("tools/demo.mjs"),
};

/** Need a network or minutes, and run only when named. */
const extra = ["model", "demo"];

/** "all", or no name, is every step that need not be named. */
const chosenSteps = (names) => {
  const known = Object.keys(steps);
  const all = known.filter((name) => !extra.includes(name));
  const chosen = names.length === 0 ? all : names.flatMap((name) => (name === "all" ? all : [name]));
  const unknown = chosen.filter((name) => !known.includes(name));
  if (unknown.length === 0) return chosen;
  console.error(`No check is named ${unknown.join(", ")}; there are: all, ${known.join(", ")}`);
  return process.exit(2);
};

const runStep = async (name) => {
  console.log(`\n--- ${name}`);
  const started = performance.now();
  const counts = await steps[name]().catch((error) => {
    console.log(error.message);
    return { failed: 1 };
  });
  console.log(
    `--- ${name}: ${counts.failed ? "FAILED" : "ok"} (${((performance.now() - started) / 1000).toFixed(1)} s)`,
  );
  return counts;
};

const sum = (all, key) => all.reduce((total, counts) => total + (counts[key] ?? 0), 0);

const names = chosenSteps(process.argv.slice(2));
await bootstrap();
mkdirSync(reports, { recursive: true });
const results = [];
for (const name of names) results.push(await runStep(name));
const failing = names.filter((_, index) => results[index].failed);
for (const failure of results.flatMap(({ failures = [] }) => failures)) console.log(`\n${failure}`);
if (failing.length > 0) console.log(`\nFailed: ${failing.join(", ")}`);
const skipped = sum(results, "skipped");
console.log(
  `\n${sum(results, "passed")} passed, ${sum(results, "failed")} failed${skipped ? `, ${skipped} skipped` : ""}`,
);
process.exitCode = failing.length > 0 ? 1 : 0;
