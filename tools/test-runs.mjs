// Runs vitest in its own process and counts tests from its report.
import { readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { cacheFolder, installed, root, run } from "./workspace.mjs";

/** Where reports of test runs are written, as JSON. */
export const reports = join(cacheFolder, "reports");

/**
 * Runs tests.
 *
 * @param options.name of the report
 * @param options.node program that runs them; this Node by default
 * @param options.env more environment variables
 * @param filters arguments of vitest
 * @returns `{ passed, failed, skipped, failures }`; a run that fails without a failed test counts as one failure
 */
export const runTests = async ({ name, node = process.execPath, env = {} }, ...filters) => {
  const report = join(reports, `${name}.json`);
  rmSync(report, { force: true });
  const [, ...vitest] = installed("vitest/vitest.mjs", "run", ...filters, "--reporter=default", "--reporter=json");
  const { code } = await run([node, ...vitest, `--outputFile.json=${report}`], { env });
  const counts = countsOf(report);
  return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
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
