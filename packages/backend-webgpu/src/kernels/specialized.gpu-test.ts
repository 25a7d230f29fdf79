import { blockTokens, type LayerScheme, layerScheme } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import { agree } from "../choice/variant-trial.ts";
import { nodeGpu, testDevice } from "../test-support/node-gpu.ts";
import { cpuCall } from "../test-support/rows.ts";
import { createWebGpuBackend } from "../webgpu-backend.ts";
import { PACKED_DOT_PRODUCTS } from "./kernel-source.ts";
import { PLAIN, type Variant } from "./variant.ts";

const { device, skipped } = await testDevice();

/** Four query heads per KV head: a token fills half of a workgroup's vectors. */
const SHAPE = { layers: 1, queryHeads: 8, kvHeads: 2, headSize: 128 };

/** Abilities of the adapter. Each also has a test without it. */
const CAN: Readonly<Record<keyof Variant, boolean>> = {
  specialized: true,
  float16: device?.features.has("shader-f16") === true,
  subgroups: device?.features.has("subgroups") === true,
  packed: nodeGpu.wgslLanguageFeatures.has(PACKED_DOT_PRODUCTS),
};

const variantOf = (...abilities: (keyof Variant)[]): Variant => ({
  ...PLAIN,
  specialized: true,
  ...Object.fromEntries(abilities.map((ability) => [ability, CAN[ability]])),
});

/** Three tokens fill one and a half workgroups. Software drivers compile a kernel of eight vectors for half a minute. */
const PROMPT = [3, 1];
const TOKEN = device?.adapterInfo.isFallbackAdapter ? [1] : PROMPT;

/** A snapshot with both codes and exact tokens. */
const filled = async (layer: LayerScheme): Promise<Uint8Array> => {
  const backend = await createWebGpuBackend({ device: device!, kernels: PLAIN });
  const cache = await backend.createCache(SHAPE, { shape: SHAPE, layers: [layer] });
  await cache.attend(0, ...cpuCall(SHAPE, 2 * blockTokens(layer.key) + layer.residency.recent + 70, 0));
  const snapshot = await cache.snapshot();
  await backend.dispose();
  return snapshot;
};

const outputsOf = async (
  layer: LayerScheme,
  kernels: Variant,
  snapshot: Uint8Array,
  calls: readonly number[],
): Promise<Float32Array[]> => {
  const backend = await createWebGpuBackend({ device: device!, kernels });
  const cache = await backend.restoreCache(SHAPE, { shape: SHAPE, layers: [layer] }, snapshot);
  const outputs: Float32Array[] = [];
  for (const [seed, tokens] of calls.entries())
    outputs.push((await cache.attend(0, ...cpuCall(SHAPE, tokens, seed + 1))).data as Float32Array);
  await backend.dispose();
  return outputs;
};

// The conformance suite compares the kernel for all formats with the oracle.
describe.skipIf(skipped)(`kernels for one pair of formats${skipped ? ` (${skipped})` : ""}`, () => {
  it.each<[string, Variant, LayerScheme, readonly number[]]>([
    ["K4V4 per token", variantOf(), layerScheme("per-token", { key: 4, value: 4 }), PROMPT],
    ["K3V8 per token", variantOf("packed", "subgroups"), layerScheme("per-token", { key: 3, value: 8 }), TOKEN],
    ["kivi K2V4", variantOf("subgroups", "float16"), layerScheme("kivi", { key: 2, value: 4 }), TOKEN],
    ["compact K4V3", variantOf("packed", "float16"), layerScheme("compact", { key: 4, value: 3 }), TOKEN],
  ])("give what the kernel for all formats gives: %s, %j", async (_, kernels, layer, calls) => {
    const snapshot = await filled(layer);
    const expected = await outputsOf(layer, PLAIN, snapshot, calls);
    const got = await outputsOf(layer, kernels, snapshot, calls);
    for (const [call, numbers] of expected.entries()) expect(agree([...numbers], [...got[call]!], kernels)).toBe(true);
  });
});
