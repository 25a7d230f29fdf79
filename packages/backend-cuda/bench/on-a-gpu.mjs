// node packages/backend-cuda/bench/on-a-gpu.mjs [--out FOLDER] [--device N] [--length N] [--batch N] [--calls N] [--bandwidth GB/s]
//   [--tests PATTERN]
// All that is to be run on a GPU, in a checkout that `npm test` has set up: the conformance suite with float32 and with tensor cores,
// then decode attention against the GPU's bandwidth and against 16-bit attention. Writes cuda-on-a-gpu.json and .md.
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { checkConformance } from "./gpu-conformance.mjs";
import { gpuReportMarkdown } from "./gpu-report.mjs";

const root = fileURLToPath(new URL("../../../", import.meta.url));

const { values: options } = parseArgs({
  options: {
    out: { type: "string", default: "." },
    device: { type: "string", default: "0" },
    length: { type: "string", default: "32768" },
    batch: { type: "string", default: "8" },
    calls: { type: "string", default: "50" },
    bandwidth: { type: "string" },
    tests: { type: "string", default: "" },
  },
});

/** Ends the program with what a child said, which is made for people to read. */
const fail = (message) => {
  console.error(message);
  process.exit(1);
};

const environment = { ...process.env, KVTUNER_CUDA_DEVICE: options.device, FORCE_COLOR: "0" };

const node = (argv, timeoutMs) =>
  spawnSync(process.execPath, argv, {
    cwd: root,
    encoding: "utf8",
    env: environment,
    timeout: timeoutMs,
    maxBuffer: 2 ** 28,
  });

const SOURCES = ["--conditions=@kvtuner/source", "--import", join(root, "tools/typescript-loader.mjs")];

const measureDecode = () => {
  const argv = ["length", "batch", "device", "calls"].flatMap((name) => [`--${name}`, options[name]]);
  const script = join(root, "packages/backend-cuda/bench/decode-attention.mjs");
  const { status, stdout, stderr } = node([...SOURCES, script, ...argv], 3_600_000);
  if (status !== 0) fail(stderr.match(/^\w*Error: .*$/m)?.[0] ?? stderr);
  return JSON.parse(stdout);
};

console.error("decode attention ...");
const decode = measureDecode();
console.error(`${decode.device.name}, ${decode.device.architecture}; conformance ...`);
const conformance = checkConformance(environment, options.tests);
const bandwidth = options.bandwidth ? Number(options.bandwidth) : decode.device.memoryBytesPerSecond / 1e9;
const report = { device: decode.device, node: process.versions.node, conformance, bandwidth, decode };
const markdown = gpuReportMarkdown(report);
mkdirSync(options.out, { recursive: true });
writeFileSync(join(options.out, "cuda-on-a-gpu.json"), `${JSON.stringify(report, undefined, 2)}\n`);
writeFileSync(join(options.out, "cuda-on-a-gpu.md"), markdown);
console.log(markdown);
if (conformance.failed > 0 || decode.results.some(({ error }) => error)) process.exitCode = 1;
