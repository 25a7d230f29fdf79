// The conformance suite on this machine's GPU, in a process of its own, counted.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const VITEST = "node_modules/vitest/vitest.mjs";
const SUITE = "packages/backend-cuda/src/device.gpu-test.ts";
const TIMEOUT_MS = 3_600_000;

/**
 * Runs the suite.
 *
 * @param environment of the process that runs it
 * @param pattern of names of tests; all without it
 * @returns how many tests passed and so on; that none did, or that there was no GPU to run them on, is a failure with a reason
 */
export const checkConformance = (environment, pattern) => {
  const folder = mkdtempSync(join(tmpdir(), "kvtuner-gpu-"));
  try {
    return countsOf(runSuite(join(folder, "tests.json"), environment, pattern));
  } finally {
    rmSync(folder, { recursive: true });
  }
};

const runSuite = (file, environment, pattern) => {
  const filter = pattern ? ["-t", pattern] : [];
  const argv = [VITEST, "run", "--config", "vitest.gpu.config.ts", SUITE, "--reporter=json", `--outputFile=${file}`];
  const env = { ...environment, KVTUNER_CUDA_REQUIRED: "1", FORCE_COLOR: "0" };
  const options = { cwd: root, encoding: "utf8", env, timeout: TIMEOUT_MS, maxBuffer: 2 ** 28 };
  const { stdout, stderr } = spawnSync(process.execPath, [...argv, ...filter], options);
  try {
    return JSON.parse(readFileSync(file, "utf8")).testResults;
  } catch (error) {
    return [{ status: "failed", message: `${error.message}\n${stdout}\n${stderr}`, assertionResults: [] }];
  }
};

const countsOf = (files) => {
  const tests = files.flatMap(({ assertionResults }) => assertionResults);
  const count = (...statuses) => tests.filter(({ status }) => statuses.includes(status)).length;
  const passed = count("passed");
  const failures = [...tests.filter(({ status }) => status === "failed").map(failedTest), ...files.flatMap(failedFile)];
  if (passed === 0 && failures.length === 0) failures.push({ name: SUITE, message: "no test ran" });
  return { passed, failed: failures.length, skipped: count("skipped", "pending"), failures };
};

const failedTest = ({ fullName, failureMessages }) => ({ name: fullName, message: failureMessages[0].split("\n")[0] });

/** A file that ended before its tests did, such as where there is no GPU. */
const failedFile = ({ status, message, assertionResults }) =>
  status === "failed" && !assertionResults.some((test) => test.status === "failed") ? [{ name: SUITE, message }] : [];
