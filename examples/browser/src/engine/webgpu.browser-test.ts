import { CacheSession, loadDecoder } from "@kvtuner/decoder";
import embeddedModel from "@kvtuner/embedded-model/model.gguf?url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Model, openModel } from "./model.ts";
import { readPlan } from "./read-plan.ts";
import { openRuntime, type Runtime } from "./runtime.ts";

let model: Model;
let readBacks = 0;
const { mapAsync } = GPUBuffer.prototype;
/** `GPUMapMode.READ`, which TypeScript does not know. */
const MAP_READ = 1;

beforeAll(async () => {
  model = await openModel(await (await fetch(embeddedModel)).blob());
  GPUBuffer.prototype.mapAsync = async function (mode, ...range) {
    if ((mode & MAP_READ) !== 0) readBacks++;
    return mapAsync.call(this, mode, ...range);
  };
});

afterAll(() => {
  GPUBuffer.prototype.mapAsync = mapAsync;
});

const PROMPT = "o4=5758;w3=1346;f9=6048;h5=8818;m3=8777;n6=9271;\n?m3=";
const TOKENS = 8;

interface Generated {
  readonly logits: readonly Float32Array[];
  /** Downloads during the prompt, and during each token after it. */
  readonly readBacks: readonly number[];
}

/** Feeds the prompt, then always the likeliest token. */
const generate = async ({ backend, createSession }: Runtime, planText: string): Promise<Generated> => {
  const { deviceTensors } = backend.capabilities;
  const decoder = await loadDecoder(model.gguf, { createSession, deviceTensors });
  const cache = await backend.createCache(model.shape, readPlan(planText, model));
  const session = new CacheSession({ decoder, cache });
  const logits = [];
  const counts = [];
  let next = model.tokenizer.encode(PROMPT);
  for (let token = 0; token <= TOKENS; token++) {
    readBacks = 0;
    logits.push(await session.append(next));
    counts.push(readBacks);
    next = Int32Array.of(likeliest(logits.at(-1)!));
  }
  await cache.dispose();
  await decoder.dispose();
  return { logits, readBacks: counts };
};

const likeliest = (logits: Float32Array): number => logits.indexOf(Math.max(...logits));

/** Largest difference of all logits, and the largest logit. */
const largestError = (expected: Generated, got: Generated): number =>
  Math.max(
    ...got.logits.map((logits, token) => {
      const wanted = expected.logits[token]!;
      return Math.max(...logits.map((logit, id) => Math.abs(logit - wanted[id]!))) / Math.max(...wanted);
    }),
  );

test("weights and cache on one device give the logits of the CPU, and nothing else is read back", async () => {
  const gpu = await openRuntime("webgpu");
  const cpu = await openRuntime("cpu");
  expect(gpu.backend.capabilities.deviceTensors).toBe(true);
  for (const plan of ["none", "compact:K4V2"]) {
    const expected = await generate(cpu, plan);
    const got = await generate(gpu, plan);
    expect(largestError(expected, got)).toBeLessThan(1e-3);
    expect(got.readBacks).toEqual(got.readBacks.map(() => 1));
  }
  await gpu.backend.dispose();
  await cpu.backend.dispose();
});
