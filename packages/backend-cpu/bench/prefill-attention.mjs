// Milliseconds a layer of a prompt's attention, and ratios to the 16-bit cache.
//   node bench/prefill-attention.mjs [--tokens 512] [--shapes 9/3/64] [--schemes none,per-token:K4V4] [--rounds N]
//                                    [--data normal,outliers]
// Schemes are timed in turns; a figure is the median over the rounds, with the smallest beside it. "outliers": one channel
// of every key is 30 times as large as the others, as models with biases have them.
import { parseArgs } from "node:util";
import { Tensor } from "onnxruntime-common";
import { createCpuBackend } from "@kvtuner/backend-cpu";
import { parseShorthand, uniformPlan } from "@kvtuner/plan";

const { values: options } = parseArgs({
  options: {
    tokens: { type: "string", default: "512" },
    shapes: { type: "string", default: "9/3/64" },
    schemes: { type: "string", default: "none,per-token:K4V4,kivi:K4V4,compact:K4V3,per-token:K8V4" },
    data: { type: "string", default: "normal,outliers" },
    rounds: { type: "string", default: "15" },
  },
});

const OUTLIER = 30;

const normals = (seed) => {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
};

const tensor = (next, tokens, width) => {
  const numbers = Float32Array.from({ length: tokens * width }, () => next());
  return new Tensor("float32", numbers, [1, tokens, width]);
};

const callOf = (data, tokens, { queryHeads, kvHeads, headSize }) => {
  const next = normals(1);
  const [query, key, value] = [queryHeads, kvHeads, kvHeads].map((heads) => tensor(next, tokens, heads * headSize));
  if (data === "outliers")
    for (let index = 5; index < key.data.length; index += headSize) key.data[index] = OUTLIER + key.data[index];
  return [query, key, value];
};

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

const timePrompt = async (backend, shape, scheme, call) => {
  const plan = uniformPlan({ name: "synthetic", architecture: "none" }, shape, parseShorthand(scheme).layer);
  const cache = await backend.createCache(shape, plan);
  const started = performance.now();
  await cache.attend(0, ...call);
  const timeMs = performance.now() - started;
  await cache.dispose();
  return timeMs;
};

const backend = await createCpuBackend();
for (const each of options.shapes.split(",")) {
  const [queryHeads, kvHeads, headSize] = each.split("/").map(Number);
  const shape = { layers: 1, queryHeads, kvHeads, headSize };
  for (const data of options.data.split(",")) {
    const call = callOf(data, Number(options.tokens), shape);
    const variants = options.schemes.split(",").map((scheme) => ({ scheme, times: [] }));
    for (let round = 0; round < Number(options.rounds) + 2; round++)
      for (const { scheme, times } of variants) {
        const timeMs = await timePrompt(backend, shape, scheme, call);
        if (round >= 2) times.push(timeMs);
      }
    const first = median(variants[0].times);
    for (const { scheme, times } of variants)
      console.log(
        `${each.padEnd(9)} ${options.tokens.padStart(6)} ${data.padEnd(9)} ${scheme.padEnd(15)} ${median(times).toFixed(1).padStart(7)} ${Math.min(
          ...times,
        )
          .toFixed(1)
          .padStart(7)} ${(median(times) / first).toFixed(2).padStart(6)}`,
      );
  }
}
