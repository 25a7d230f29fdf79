/**
 * Compares a GPU backend with the reference on a real model: attention for the reference's own queries, keys and values;
 * logits of a prompt and of the tokens after it, with the reference's keys and values and with its own; and greedy text.
 *   node benchmarks/gpu-agreement.mjs webgpu|cuda [smollm2|qwen05] [PLAN ...]
 * Needs a build. A software driver shows whether results are right; its times mean nothing.
 */
import { createCpuBackend, createReferenceBackend } from "@kvtuner/backend-cpu";
import { CacheSession, loadDecoder, loadTokenizer, openGguf } from "@kvtuner/decoder";
import { openFileSource } from "@kvtuner/decoder/node";
import { parseShorthand, uniformPlan } from "@kvtuner/plan";
import { resolveModel } from "kvtuner";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { markdownTable } from "./shared.mjs";

const [kind = "webgpu", model = "smollm2", ...asked] = process.argv.slice(2);
const plans = asked.length > 0 ? asked : ["none", "kivi:K4V2+sinks4", "compact:K4V4"];
const PROMPT = "A river is a natural stream of fresh water that flows";
const TOKENS = 200;
const PLAIN = { specialized: false, float16: false, subgroups: false };

/** Kept, because it must outlive everything made from it. */
let dawn;

/** Backends by name, with float16 kernels if the adapter has them. */
const backends = {
  webgpu: async () => {
    const { createWebGpuBackend } = await import("@kvtuner/backend-webgpu");
    const { create } = await import("webgpu");
    dawn = create([]);
    const gpu = dawn;
    const adapter = await gpu.requestAdapter();
    const f16 = adapter?.features.has("shader-f16") ? { f16: { ...PLAIN, float16: true } } : {};
    const entries = Object.entries({ f32: PLAIN, ...f16 });
    const made = [];
    for (const [name, kernels] of entries) made.push([name, await createWebGpuBackend({ gpu, kernels })]);
    return made;
  },
  cuda: async () => {
    const { createCudaBackend } = await import("@kvtuner/backend-cuda");
    return [["cuda", await createCudaBackend()]];
  },
};

const source = await openFileSource((await resolveModel(model)).path);
const gguf = await openGguf(source);
const tokenizer = loadTokenizer(gguf);
const options = { extra: { session: { intra_op: { allow_spinning: "0" } } } };
const decoder = await loadDecoder(gguf, { createSession: (bytes) => InferenceSession.create(bytes, options) });

const cacheOf = (backend, planText) => {
  const plan = uniformPlan(decoder.identity, decoder.shape, parseShorthand(planText).layer);
  return backend.createCache(decoder.shape, plan);
};

/** Logits after the prompt and after each following token; the tokens are `forced`, or else the likeliest. */
const run = async (cache, forced) => {
  const session = new CacheSession({ decoder, cache });
  const [logits, ids] = [[], []];
  let next = tokenizer.encode(PROMPT);
  while (ids.length < TOKENS) {
    logits.push(await session.append(next));
    ids.push(logits.at(-1).indexOf(logits.at(-1).reduce((a, b) => Math.max(a, b))));
    next = Int32Array.of(forced?.[ids.length - 1] ?? ids.at(-1));
  }
  return { logits, ids };
};

const largest = (numbers) => numbers.reduce((most, number) => Math.max(most, Math.abs(number)), 0);

/**
 * The reference. Repeats each of its calls on the others: equal rows give equal codes, so only arithmetic differs. `rows` are
 * its keys and values, in the order of the calls.
 */
const runBesideOthers = async (planText, others) => {
  const cache = await cacheOf(reference, planText);
  const caches = await Promise.all(others.map(([, backend]) => cacheOf(backend, planText)));
  const errors = caches.map(() => 0);
  const rows = [];
  const attend = async (layer, query, key, value) => {
    const output = await cache.attend(layer, query, key, value);
    rows.push([copyOf(key), copyOf(value)]);
    for (const [index, other] of caches.entries()) {
      const { data } = await other.attend(layer, query, key, value);
      const difference = largest(data.map((number, at) => number - output.data[at]));
      errors[index] = Math.max(errors[index], difference / largest(output.data));
    }
    return output;
  };
  const expected = await run({ length: 0, truncate: (length) => cache.truncate(length), attend });
  for (const each of [cache, ...caches]) await each.dispose();
  return { expected, errors, rows };
};

const copyOf = ({ data, dims }) => new Tensor("float32", data.slice(), dims);

/** A cache that gets its own queries but the reference's keys and values, so its codes are the reference's. */
const withRows = (cache, rows) => {
  let call = 0;
  return {
    length: 0,
    truncate: (length) => cache.truncate(length),
    attend: (layer, query) => cache.attend(layer, query, ...rows[call++]),
  };
};

/** Largest difference, and the largest logit. */
const errorOf = (expected, got) =>
  Math.max(
    ...expected.logits.map(
      (logits, token) => largest(logits.map((logit, id) => logit - got.logits[token][id])) / largest(logits),
    ),
  );

const HEAD = ["plan", "kernels", "attention, same rows", "logits, same keys and values", "logits", "tokens the same"];
const rows = [];
const reference = createReferenceBackend();
// The CPU's kernels show the effect of float16 roundings that go either way, because keys differ in their last bits.
const opened = [["cpu", await createCpuBackend()], ...(await backends[kind]())];
for (const plan of plans) {
  const { expected, errors, rows: given } = await runBesideOthers(plan, opened);
  for (const [index, [name, backend]] of opened.entries()) {
    const [cache, twin] = [await cacheOf(backend, plan), await cacheOf(backend, plan)];
    const forced = await run(cache, expected.ids);
    const sameCodes = await run(withRows(twin, given), expected.ids);
    for (const each of [cache, twin]) await each.dispose();
    const differing = forced.ids.findIndex((id, token) => id !== expected.ids[token]);
    const same = differing < 0 ? `all ${TOKENS}` : `${differing} of ${TOKENS}`;
    const differences = [errors[index], errorOf(expected, sameCodes), errorOf(expected, forced)];
    rows.push([plan, name, ...differences.map((error) => error.toExponential(1)), same]);
    console.error(rows.at(-1).join("  "));
  }
}
console.log(markdownTable([HEAD, ...rows]));
for (const [, backend] of opened) await backend.dispose();
dawn = undefined;
await decoder.dispose();
await source.close();
