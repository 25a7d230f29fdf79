// How much a process grows while a cache is filled, and what it gives back. Each case is a process of its own.
//   node bench/memory-growth.mjs [--schemes none,kivi:K4V4] [--sizes 100,400] [--retune kivi:K8V8>kivi:K2V2]
// Sizes in MB of cache bytes. Growth is resident memory beyond that of the process with an empty cache and one call made.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createCpuBackend } from "@kvtuner/backend-cpu";
import { parseShorthand, planBytes } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";

const MEGABYTE = 1e6;
/** Many layers of few tokens: attention takes time in the square of the tokens. */
const SHAPE = { layers: 160, queryHeads: 16, kvHeads: 16, headSize: 256 };
const CALL_TOKENS = 32;

const { values: options } = parseArgs({
  options: {
    schemes: { type: "string", default: "none,per-token:K8V8,kivi:K8V8,kivi:K4V4,compact:K4V3" },
    sizes: { type: "string", default: "100,400" },
    retune: { type: "string", default: "kivi:K8V8>kivi:K2V2" },
    child: { type: "string" },
  },
});

const planFor = (scheme) => ({
  shape: SHAPE,
  layers: Array.from({ length: SHAPE.layers }, () => parseShorthand(scheme).layer),
});

const residentBytes = () => {
  for (let turn = 0; turn < 3; turn++) globalThis.gc();
  return process.memoryUsage.rss();
};

/** The most that was resident since the last call; 0 where the system does not say. */
const peakBytes = () => {
  try {
    const peak = Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? 0) * 1024;
    writeFileSync("/proc/self/clear_refs", "5");
    return peak;
  } catch {
    return 0;
  }
};

const rows = (width) => {
  const numbers = Float32Array.from({ length: CALL_TOKENS * width }, (_, index) => Math.sin(index * 0.61));
  return new Tensor("float32", numbers, [1, CALL_TOKENS, width]);
};

const runChild = async ({ scheme, sizeBytes, retune }) => {
  const backend = await createCpuBackend();
  const plan = planFor(scheme);
  const width = SHAPE.kvHeads * SHAPE.headSize;
  const [query, key, value] = [rows(width), rows(width), rows(width)];
  const call = async (cache) => {
    for (let layer = 0; layer < SHAPE.layers; layer++) await cache.attend(layer, query, key, value);
  };
  let cache = await backend.createCache(SHAPE, plan);
  await call(cache);
  cache.truncate(0);
  await cache.dispose();
  cache = await backend.createCache(SHAPE, plan);
  const emptyBytes = residentBytes();
  while (planBytes(plan, cache.length + CALL_TOKENS).total <= sizeBytes) await call(cache);
  const result = { tokens: cache.length, cacheBytes: cache.bytes().total, grownBytes: residentBytes() - emptyBytes };
  if (retune !== undefined) {
    peakBytes();
    await cache.retune(planFor(retune));
    result.retunedBytes = cache.bytes().total;
    result.retunePeakBytes = peakBytes() - emptyBytes;
    result.retunedGrownBytes = residentBytes() - emptyBytes;
  }
  await cache.dispose();
  await new Promise((resolve) => setTimeout(resolve, 100));
  result.leftBytes = residentBytes() - emptyBytes;
  console.log(JSON.stringify(result));
};

const inChild = (request) => {
  const argv = ["--expose-gc", fileURLToPath(import.meta.url), "--child", JSON.stringify(request)];
  return JSON.parse(execFileSync(process.execPath, [...process.execArgv, ...argv], { encoding: "utf8" }));
};

const inMegabytes = (bytes) => (bytes / MEGABYTE).toFixed(1);

const runAll = () => {
  console.log("scheme\ttokens\tcache MB\tgrown MB\tgrown / cache\tleft after dispose MB");
  for (const scheme of options.schemes.split(","))
    for (const size of options.sizes.split(",").map(Number)) {
      const { tokens, cacheBytes, grownBytes, leftBytes } = inChild({ scheme, sizeBytes: size * MEGABYTE });
      const ratio = (grownBytes / cacheBytes).toFixed(3);
      console.log(
        [scheme, tokens, inMegabytes(cacheBytes), inMegabytes(grownBytes), ratio, inMegabytes(leftBytes)].join("\t"),
      );
    }
  const [scheme, retune] = options.retune.split(">");
  const sizeBytes = Math.max(...options.sizes.split(",").map(Number)) * MEGABYTE;
  const { cacheBytes, retunedBytes, retunePeakBytes, retunedGrownBytes } = inChild({ scheme, sizeBytes, retune });
  console.log(
    `retune ${scheme} > ${retune}: ${inMegabytes(cacheBytes)} MB become ${inMegabytes(retunedBytes)}, ` +
      `at most ${inMegabytes(retunePeakBytes)} resident meanwhile, ${inMegabytes(retunedGrownBytes)} afterwards`,
  );
};

if (options.child === undefined) runAll();
else await runChild(JSON.parse(options.child));
