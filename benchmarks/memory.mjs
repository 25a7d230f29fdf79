// Measures what it takes to answer one prompt with a model, in a process for each way: ours with compact and exact weights,
// and llama.cpp with a 16-bit cache:
//   npm run -s bench:memory -- MODEL [--tokens 640]
// Prints the peak of the process, how much of the memory at the end belongs to it alone and how much to mapped files (Linux
// only), the time to open and load, and from there to the first token. Run it twice: the first run writes our segments.
// Needs node-llama-cpp for its row; if it is missing, the row says how to install it.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { openRunner, resolveModel } from "kvtuner";
import { findNodeLlamaCpp } from "./llama-cpp/package.ts";

const WAYS = ["compact", "exact", "llama.cpp"];
const GENERATED = 8;

/** The first characters of this repository's README, cut to about so many tokens. */
const prompt = (tokens) => readFileSync(new URL("../README.md", import.meta.url), "utf8").slice(0, 3 * tokens);

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
  const context = await loaded.createContext({ contextSize: 2 * tokens });
  const loadedMs = performance.now();
  const ids = loaded.tokenize(prompt(tokens));
  let [firstMs, count] = [undefined, 0];
  for await (const _ of context.getSequence().evaluate(ids, { temperature: 0 })) {
    firstMs ??= performance.now();
    if (++count === GENERATED) break;
  }
  return { loadedMs, firstMs, tokens: ids.length };
};

const MEASURES = { compact: ours("compact"), exact: ours("exact"), "llama.cpp": llamaCpp };

const megabytes = (field) => {
  const [, kibibytes] = new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync("/proc/self/status", "utf8"));
  return `${Math.round((Number(kibibytes) * 1024) / 1e6)} MB`;
};

const measure = async (way, model, tokens) => {
  const startMs = performance.now();
  const { loadedMs, firstMs, tokens: read } = await MEASURES[way](model, tokens);
  return {
    prompt: `${read} tokens`,
    peak: megabytes("VmHWM"),
    anonymous: megabytes("RssAnon"),
    files: megabytes("RssFile"),
    load: `${Math.round(loadedMs - startMs)} ms`,
    "first token": `${Math.round(firstMs - loadedMs)} ms`,
  };
};

const apart = (way, argv) => {
  const args = [...process.execArgv, fileURLToPath(import.meta.url), ...argv, "--way", way];
  const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  const line = stdout.trim().split("\n").at(-1) ?? "";
  return line.startsWith("{") ? JSON.parse(line) : { prompt: stderr.trim().split("\n").at(-1) };
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { tokens: { type: "string", default: "640" }, way: { type: "string" } },
});
const [model = "embedded"] = positionals;
if (values.way === undefined)
  console.table(Object.fromEntries(WAYS.map((way) => [way, apart(way, process.argv.slice(2))])));
else {
  console.log(JSON.stringify(await measure(values.way, model, Number(values.tokens))));
  process.exit(); // llama.cpp's threads would keep it alive
}
