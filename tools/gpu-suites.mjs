// Runs test suites on this machine's GPU in their own process, and counts their tests.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "./workspace.mjs";

const VITEST = ["node_modules/vitest/vitest.mjs", "run", "--config", "vitest.gpu.config.ts"];
const TIMEOUT_MS = 3_600_000;

/**
 * Runs suites.
 *
 * @param options.suites files, relative to the checkout
 * @param options.environment of the process that runs them
 * @param options.pattern of names of tests; all without it
 * @returns counts of tests. If none passed, or a file ended before its tests, it is a failure with a reason
 */
export const checkSuites = ({ suites, environment, pattern }) => {
  const folder = mkdtempSync(join(tmpdir(), "kvtuner-gpu-"));
  try {
    return countsOf(runSuites(join(folder, "tests.json"), suites, environment, pattern), suites);
  } finally {
    rmSync(folder, { recursive: true });
  }
};

const runSuites = (file, suites, environment, pattern) => {
  const filter = pattern ? ["-t", pattern] : [];
  const argv = [...VITEST, ...suites, "--reporter=json", `--outputFile=${file}`, ...filter];
  const env = { ...environment, FORCE_COLOR: "0" };
  const options = { cwd: root, encoding: "utf8", env, timeout: TIMEOUT_MS, maxBuffer: 2 ** 28 };
  const { stdout, stderr } = spawnSync(process.execPath, argv, options);
  try {
    return JSON.parse(readFileSync(file, "utf8")).testResults;
  } catch (error) {
    const message = `${error.message}\n${stdout}\n${stderr}`;
    return [{ name: suites.join(" "), status: "failed", message, assertionResults: [] }];
  }
};

const countsOf = (files, suites) => {
  const tests = files.flatMap(({ assertionResults }) => assertionResults);
  const count = (...statuses) => tests.filter(({ status }) => statuses.includes(status)).length;
  const passed = count("passed");
  const failures = [...tests.filter(({ status }) => status === "failed").map(failedTest), ...files.flatMap(failedFile)];
  if (passed === 0 && failures.length === 0) failures.push({ name: suites.join(" "), message: "no test ran" });
  return { passed, failed: failures.length, skipped: count("skipped", "pending", "todo"), failures };
};

const failedTest = ({ fullName, failureMessages }) => ({ name: fullName, message: failureMessages[0].split("\n")[0] });

/** A file that ended before its tests did, for example without a GPU. */
const failedFile = ({ name, status, message, assertionResults }) =>
  status === "failed" && !assertionResults.some((test) => test.status === "failed") ? [{ name, message }] : [];
