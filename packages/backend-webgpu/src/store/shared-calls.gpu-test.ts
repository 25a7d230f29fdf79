import { layerScheme, plainAttention } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { describe, expect, it } from "vitest";
import { agree } from "../choice/variant-trial.ts";
import { PLAIN } from "../kernels/variant.ts";
import { testDevice } from "../test-support/node-gpu.ts";
import { cpuCall } from "../test-support/rows.ts";
import { createWebGpuBackend } from "../webgpu-backend.ts";

const { device, skipped } = await testDevice();

const SIZES = { layers: 1, queryHeads: 1, kvHeads: 1, headSize: 32 };
const SPAN = { ...plainAttention(32), mask: { kind: "sliding", span: 40 } as const };
const TOKENS = 600;

/** Outputs of the layer that shares the cache, for a prompt in calls of some length, and then for one more token. */
const outputsOf = async (attention: typeof SPAN | undefined, callTokens: number): Promise<number[]> => {
  const shape = { ...SIZES, ...(attention && { attention }), sharing: [{ place: 1, cacheOf: 0, queryHeads: 1 }] };
  const backend = await createWebGpuBackend({ device: device!, kernels: PLAIN });
  const cache = await backend.createCache(shape, { shape, layers: [layerScheme("kivi", { key: 4, value: 4 })] });
  const outputs: number[] = [];
  const append = async (first: number, tokens: number): Promise<void> => {
    const [query, key, value] = cpuCall(SIZES, TOKENS + 1, 1).map((tensor) => tensorSlice(tensor, first, tokens));
    await cache.attend(0, query!, key!, value!);
    outputs.push(...((await cache.read(0, query!)).data as Float32Array));
  };
  for (let first = 0; first < TOKENS; first += callTokens) await append(first, callTokens);
  await append(TOKENS, 1);
  await backend.dispose();
  return outputs;
};

const tensorSlice = (tensor: ReturnType<typeof cpuCall>[number], first: number, tokens: number) => {
  const rows = (tensor.data as Float32Array).slice(32 * first, 32 * (first + tokens));
  return new Tensor("float32", rows, [1, tokens, 32]);
};

// A shared layer keeps the tokens of a call in every form; other layers reuse their places during the call.
describe.skipIf(skipped)(`a layer that shares a cache${skipped ? ` (${skipped})` : ""}`, () => {
  it.each([
    ["all tokens", undefined],
    ["a span", SPAN],
  ])("reads a long call as it reads short ones: %s", async (_, attention) => {
    const expected = await outputsOf(attention, 100);
    expect(agree(expected, await outputsOf(attention, TOKENS), PLAIN)).toBe(true);
  });
});
