// Runs the archive's checks one by one, each in its own process, prints a table and writes gpu-checks.json.
// Exit code: 0 if checks ran and none failed, 1 if any failed or ran out of time, 2 if no check found a GPU.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values: options } = parseArgs({
  options: {
    out: { type: "string", default: "." },
    minutes: { type: "string", default: "12" },
    only: { type: "string", default: "" },
  },
});

const dist = fileURLToPath(new URL("dist/", import.meta.url));

/** Leaves time to write the results. */
const deadline = performance.now() + Number(options.minutes) * 60_000 - 5_000;

const laws = (name, family, exportName, tolerance = 1e-3) => ({
  name,
  argv: ["check.js", family, exportName, String(tolerance)],
});

/** The most important first. A benchmark runs if the check that it names passed. */
const CHECKS = [
  laws("CUDA, float32", "cuda", "createGpuBackend"),
  laws("CUDA, tensor cores", "cuda", "createTensorCoreGpuBackend"),
  laws("WebGPU, plain kernels", "webgpu", "createPlainBackend"),
  laws("WebGPU, chosen kernels", "webgpu", "createChosenBackend"),
  laws("WebGPU, float16 and subgroups", "webgpu", "createFloat16Backend", 1e-2),
  laws("WebGPU, packed dot products", "webgpu", "createPackedBackend"),
  {
    name: "CUDA, time of decoding",
    needs: "CUDA, float32",
    argv: ["cuda-decode.js", "--length", "32768", "--batch", "8", "--device", "0", "--calls", "50"],
  },
  { name: "WebGPU, time of a prompt", needs: "WebGPU, plain kernels", argv: ["webgpu-prompt.js"] },
];

/** Runs a program of the archive until it ends or its time is up. */
const start = ([file, ...argv]) =>
  new Promise((resolve) => {
    const leftMs = Math.ceil(Math.max(1, deadline - performance.now()));
    const child = spawn(process.execPath, [join(dist, file), ...argv], { timeout: leftMs, killSignal: "SIGKILL" });
    const [output, errors] = [[], []];
    child.stdout.on("data", (chunk) => output.push(chunk));
    child.stderr.on("data", (chunk) => errors.push(chunk));
    child.on("error", (error) => resolve({ code: 1, output: "", errors: error.message }));
    child.on("close", (code, signal) =>
      resolve({ code, signal, output: Buffer.concat(output).toString(), errors: Buffer.concat(errors).toString() }),
    );
  });

const parsed = (line) => {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // an incomplete line of a process that ended
  }
};

const lawsResult = ({ code, signal, output, errors }) => {
  const lines = output.trim().split("\n").map(parsed).filter(Boolean);
  const missing = lines.find(({ reason, law }) => reason && !law);
  if (missing) return { state: missing.isMissing ? "no GPU" : "cannot run", reason: missing.reason };
  const count = (state) => lines.filter((line) => line.state === state).length;
  const counts = { passed: count("passed"), failed: count("failed"), skipped: count("skipped") };
  const failures = lines.filter(({ state }) => state === "failed");
  const ended = code === 0 ? undefined : endOf(signal, errors);
  const isPassed = counts.failed === 0 && counts.passed > 0 && !ended;
  return { state: isPassed ? "passed" : "failed", ...counts, failures, laws: lines, reason: ended };
};

const endOf = (signal, errors) =>
  signal ? `ended by ${signal}${performance.now() > deadline ? ", out of time" : ""}` : errors.trim().slice(-2000);

const timesResult = ({ code, signal, output, errors }) =>
  code === 0 ? { state: "passed", output: output.trim() } : { state: "failed", reason: endOf(signal, errors) };

const isChosen = ({ name }) => name.toLowerCase().includes(options.only.toLowerCase());

const resultOf = async ({ needs, argv }, results) => {
  const needed = results.find(({ name }) => name === needs);
  if (needs && needed?.state !== "passed")
    return { state: needed?.state === "no GPU" ? "no GPU" : "not run", reason: `needs "${needs}" to pass` };
  if (performance.now() >= deadline) return { state: "not run", reason: "out of time" };
  return needs ? timesResult(await start(argv)) : lawsResult(await start(argv));
};

const results = [];
for (const check of CHECKS.filter(isChosen)) {
  process.stderr.write(`${check.name} ...\n`);
  const started = performance.now();
  const result = await resultOf(check, results);
  results.push({ name: check.name, ...result, seconds: Math.round((performance.now() - started) / 100) / 10 });
}

const COLUMNS = ["check", "result", "laws passed", "failed", "skipped", "seconds"];
const cells = ({ name, state, passed = "", failed = "", skipped = "", seconds }) =>
  [name, state, passed, failed, skipped, seconds].map(String);
const rows = [COLUMNS, ...results.map(cells)];
const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
for (const row of rows)
  console.log(
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join("  ")
      .trimEnd(),
  );

for (const { name, reason, failures = [], output } of results) {
  if (reason) console.log(`\n${name}: ${reason}`);
  for (const failure of failures) console.log(`\n${name}, law of ${failure.law}: ${failure.reason}`);
  if (output) console.log(`\n${name}:\n${output}`);
}

const states = new Set(results.map(({ state }) => state));
const file = join(options.out, "gpu-checks.json");
writeFileSync(
  file,
  `${JSON.stringify({ node: process.versions.node, date: new Date().toISOString(), results }, undefined, 2)}\n`,
);
console.log(`\nWritten to ${file}`);
if (states.has("failed") || results.some(({ reason }) => reason === "out of time")) process.exitCode = 1;
else if (!states.has("passed")) process.exitCode = 2;
