// node packages/backend-webgpu/bench/on-a-gpu.mjs [--out FOLDER] [--bandwidth GB/s] [--length N] [--batch N] [--rounds N] [--calls N]
//   [--plans LIST] [--tests PATTERN]
// All that is to be run on a GPU, in a checkout that `npm test` has set up: the conformance suite with the plain kernels and with those
// that are chosen for the GPU, decode attention beside ONNX Runtime's, then prompts. Writes webgpu-on-a-gpu.json and .md, and fails when
// anything did. KVTUNER_VULKAN_ICD names a driver where the system's own choice is not meant.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { checkSuites } from "../../../tools/gpu-suites.mjs";
import { vulkan } from "../../../tools/vulkan.mjs";
import { gpuReportMarkdown } from "./gpu-report.mjs";

const root = fileURLToPath(new URL("../../../", import.meta.url));

const TEXT = { type: "string" };
const { values: options } = parseArgs({
  options: {
    out: { ...TEXT, default: "." },
    tests: { ...TEXT, default: "" },
    ...Object.fromEntries(
      ["bandwidth", "length", "batch", "shape", "rounds", "calls", "plans"].map((name) => [name, TEXT]),
    ),
  },
});

/** Tests fail, and are not skipped, where no driver is found. */
const driver = process.env.KVTUNER_VULKAN_ICD ? (await vulkan()).env : { KVTUNER_VULKAN: "found" };

const environment = { ...process.env, ...driver };

/** Runs a script with the options that this one was started with. */
const node = (argv) =>
  spawnSync(process.execPath, [...process.execArgv, ...argv], {
    cwd: root,
    encoding: "utf8",
    env: { ...environment, FORCE_COLOR: "0" },
    timeout: 3_600_000,
    maxBuffer: 2 ** 28,
  });

const SUITES = ["webgpu-backend", "kernels/specialized", "store/decode-loads"].map(
  (name) => `packages/backend-webgpu/src/${name}.gpu-test.ts`,
);

/** What both benchmarks take. */
const COMMON = ["length", "shape", "rounds", "plans"];

const SOURCES = ["--conditions=@kvtuner/source", "--import", join(root, "tools/typescript-loader.mjs")];

/** What a benchmark prints, or why it failed. */
const measured = (script, names) => {
  const given = names.filter((name) => options[name] !== undefined);
  const { status, stdout, stderr } = node([
    ...SOURCES,
    script,
    ...given.flatMap((name) => [`--${name}`, options[name]]),
  ]);
  return status === 0
    ? { text: stdout.trim() }
    : { text: stdout.trim(), error: stderr.trim() || `it ended with ${status}` };
};

const isFailed = ({ conformance, decode, prefill }) =>
  conformance.passed === 0 || conformance.failed > 0 || [decode, prefill].some(({ error }) => error);

const DECODE = ["benchmarks/gpu-grouped-query-attention.mjs", ["bandwidth", "batch", "calls", ...COMMON]];
const PREFILL = ["packages/backend-webgpu/bench/prefill.mjs", COMMON];

/** Where no test passed, figures would say nothing. */
const measuredIf = (isChecked, [script, names]) => {
  if (!isChecked) return { text: "", error: "not measured, for no test passed" };
  console.error(`${script} ...`);
  return measured(script, names);
};

console.error("conformance ...");
const conformance = checkSuites({ suites: SUITES, environment, pattern: options.tests });
const decode = measuredIf(conformance.passed > 0, DECODE);
const prefill = measuredIf(conformance.passed > 0, PREFILL);
const report = { node: process.versions.node, conformance, decode, prefill };
const markdown = gpuReportMarkdown(report);
mkdirSync(options.out, { recursive: true });
writeFileSync(
  join(options.out, "webgpu-on-a-gpu.json"),
  `${JSON.stringify({ ...report, ok: !isFailed(report) }, undefined, 2)}\n`,
);
writeFileSync(join(options.out, "webgpu-on-a-gpu.md"), markdown);
console.log(markdown);
if (isFailed(report)) process.exitCode = 1;
