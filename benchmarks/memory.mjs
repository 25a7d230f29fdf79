// Measures what it takes to answer one prompt with a model, in a process for each way: ours with compact and exact weights,
// and llama.cpp with a 16-bit cache and a thread for each core; and what a small `tune` takes:
//   npm run -s bench:memory -- MODEL [WAY ...] [--tokens 640] [--cold] [--measure gradient] [--samples 1] [--sample-length 256]
// WAYs are compact, exact, llama.cpp and tune; by default all. The last three options are those of `tune`; its row also has the
// need that `tune` states. Prints the peak of the process, the peak of its memory that is not
// of mapped files (Linux only), the time to open and load, and from there to the first token. Run it twice: the first run writes
// our segments. With --cold, the system drops the pages of all files before each way, which needs root on Linux.
// Needs node-llama-cpp for its row; if it is missing, the row says how to install it.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openRunner, resolveModel, tune } from "kvtuner";
import { findNodeLlamaCpp } from "./llama-cpp/package.ts";

const WAYS = ["compact", "exact", "llama.cpp", "tune"];
const GENERATED = 8;

const README = fileURLToPath(new URL("../README.md", import.meta.url));

/** The first characters of this repository's README, cut to about so many tokens. */
const prompt = (tokens) => readFileSync(README, "utf8").slice(0, 3 * tokens);

const ours = (weights) => async (model, tokens) => {
  const runner = await openRunner({ model, plan: "none", weights });
  await runner.load();
  const loadedMs = performance.now();
  let firstMs;
  const result = await runner.generate({
    prompt: prompt(tokens),
    maxTokens: GENERATED,
    temperature: 0,
    onText: () => (firstMs ??= performance.now()),
  });
  return { loadedMs, firstMs: firstMs ?? performance.now(), tokens: result.prompt.tokens };
};

const llamaCpp = async (model, tokens) => {
  const { getLlama } = await import(findNodeLlamaCpp().url);
  const { path } = await resolveModel(model);
  const llama = await getLlama({ gpu: false, build: "never", logLevel: "error" });
  const loaded = await llama.loadModel({ modelPath: path });
  // By default it takes four threads, which is four times slower on two cores.
  const threads = availableParallelism();
  const context = await loaded.createContext({ contextSize: 2 * tokens, threads });
  const loadedMs = performance.now();
  const ids = loaded.tokenize(prompt(tokens));
  let [firstMs, count] = [undefined, 0];
  for await (const _ of context.getSequence().evaluate(ids, { temperature: 0 })) {
    firstMs ??= performance.now();
    if (++count === GENERATED) break;
  }
  return { loadedMs, firstMs, tokens: ids.length };
};

/** The two pairs of every layer, and four whole plans. */
const smallTune = async (model, _, study) => {
  const out = mkdtempSync(join(tmpdir(), "kvtuner-memory-"));
  let stated;
  const onProgress = ({ note = "" }) => (stated ??= /[\d.]+ \wB of memory/.exec(note)?.[0]);
  try {
    await tune({ ...study, model, out, text: README, pairs: ["K8V4", "K4V2"], evaluations: 4, onProgress });
    return { loadedMs: performance.now(), tokens: study.samples * study.sampleLength, stated };
  } finally {
    rmSync(out, { recursive: true });
  }
};

const MEASURES = { compact: ours("compact"), exact: ours("exact"), "llama.cpp": llamaCpp, tune: smallTune };

/** Memory of this process by the system's count, bytes. */
const memoryBytes = (field) => {
  const [, kibibytes] = new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync("/proc/self/status", "utf8"));
  return Number(kibibytes) * 1024;
};

const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`;

const SAMPLE_EVERY_MS = 30;

/** Peak of the memory that is not of mapped files; the system keeps only that of all memory. */
const anonymousPeak = () => {
  let peak = 0;
  const sample = () => (peak = Math.max(peak, memoryBytes("RssAnon")));
  const timer = setInterval(sample, SAMPLE_EVERY_MS);
  return () => {
    clearInterval(timer);
    return sample();
  };
};

const measure = async (way, model, tokens, study) => {
  const startMs = performance.now();
  const endPeak = anonymousPeak();
  const { loadedMs, firstMs, tokens: read, stated } = await MEASURES[way](model, tokens, study);
  return {
    prompt: `${read} tokens`,
    ...(stated && { stated }),
    peak: megabytes(memoryBytes("VmHWM")),
    anonymous: megabytes(endPeak()),
    [way === "tune" ? "all" : "load"]: `${Math.round(loadedMs - startMs)} ms`,
    ...(firstMs !== undefined && { "first token": `${Math.round(firstMs - loadedMs)} ms` }),
  };
};

const dropFilePages = () => {
  spawnSync("sync");
  writeFileSync("/proc/sys/vm/drop_caches", "1");
};

const apart = (way, { argv, cold }) => {
  if (cold) dropFilePages();
  const args = [...process.execArgv, fileURLToPath(import.meta.url), ...argv, "--way", way];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  const line = stdout.trim().split("\n").at(-1) ?? "";
  return line.startsWith("{") ? JSON.parse(line) : { prompt: stderr.trim().split("\n").at(-1) };
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tokens: { type: "string", default: "640" },
    way: { type: "string" },
    cold: { type: "boolean" },
    measure: { type: "string", default: "gradient" },
    samples: { type: "string", default: "1" },
    "sample-length": { type: "string", default: "256" },
  },
});
const study = {
  measure: values.measure,
  samples: Number(values.samples),
  sampleLength: Number(values["sample-length"]),
};
const [model = "embedded", ...ways] = positionals;
if (values.way === undefined)
  console.table(
    Object.fromEntries(
      (ways.length > 0 ? ways : WAYS).map((way) => [
        way,
        apart(way, { argv: process.argv.slice(2), cold: values.cold }),
      ]),
    ),
  );
else {
  console.log(JSON.stringify(await measure(values.way, model, Number(values.tokens), study)));
  process.exit(); // llama.cpp's threads would keep it alive
}
