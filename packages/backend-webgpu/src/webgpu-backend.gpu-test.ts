import { LAWS, testBackend } from "@kvtuner/backend/test";
import { blockTokens, layerScheme } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import { agree } from "./choice/variant-trial.ts";
import { PACKED_DOT_PRODUCTS } from "./kernels/kernel-source.ts";
import { PLAIN } from "./kernels/variant.ts";
import { nodeGpu, testDevice } from "./test-support/node-gpu.ts";
import { cpuCall } from "./test-support/rows.ts";
import { withoutTransform } from "./test-support/without-transform.ts";
import { createWebGpuBackend, type WebGpuBackend, type WebGpuOptions } from "./webgpu-backend.ts";

const loader = new URL("../../../tools/typescript-loader.mjs", import.meta.url).href;

const { device, skipped } = await testDevice();

/** All backends share the device, and so the compiled kernels. */
const backendWith = async (options: WebGpuOptions): Promise<WebGpuBackend> =>
  withoutTransform(await createWebGpuBackend({ device: device!, ...options }));

/** The whole suite, also in another process. */
const conformance = (name: string, options: WebGpuOptions, exportName: string): void =>
  testBackend({
    name,
    createBackend: () => backendWith(options),
    createSmallBackend: (limits) => backendWith({ ...limits, ...options }),
    backendModule: {
      url: new URL("./test-support/node-gpu.ts", import.meta.url).href,
      exportName,
      nodeOptions: ["--conditions=@kvtuner/source", "--import", loader],
    },
  });

describe.skipIf(skipped)(`with float32 kernels${skipped ? ` (${skipped})` : ""}`, () => {
  conformance("webgpu", { kernels: PLAIN }, "createNodeBackend");
});

const noChoice = skipped ?? (device!.adapterInfo.isFallbackAdapter ? "drivers in software run those above" : undefined);

describe.skipIf(noChoice)(`with the kernels that are chosen for the adapter${noChoice ? ` (${noChoice})` : ""}`, () => {
  conformance("webgpu", { gpu: nodeGpu }, "createChosenNodeBackend");
});

const canHalf = device?.features.has("shader-f16") && device.features.has("subgroups");

/**
 * Only attention differs from the float32 kernels, so only laws that attend are run. The others test shared code: what is
 * stored, counted, refused or passed on, and head sizes.
 */
describe.skipIf(!canHalf)(`with float16 and subgroups${canHalf ? "" : " (the adapter has not both)"}`, () => {
  const options = {
    name: "webgpu",
    createBackend: () => backendWith({ kernels: { float16: true, subgroups: true } }),
    tolerance: 1e-2,
  };
  it.each([
    "schemes",
    "modes",
    "head-groups",
    "far-out",
    "constant-groups",
    "recent",
    "prefill",
    "layer-order",
    "truncate",
    "retune",
    "random-operations",
  ] as const)("%s", async (law) => {
    await expect(LAWS[law].check(options)).resolves.toBeUndefined();
  });
});

const canPack = device && nodeGpu.wgslLanguageFeatures.has(PACKED_DOT_PRODUCTS);

describe.skipIf(!canPack)(`with packed dot products${canPack ? "" : " (the shaders have none)"}`, () => {
  const options = { name: "webgpu", createBackend: () => backendWith({ kernels: { packed: true } }) };
  it.each([
    "schemes",
    "modes",
    "head-sizes",
    "head-groups",
    "attention",
    "far-out",
    "constant-groups",
    "recent",
    "prefill",
  ] as const)("%s", async (law) => {
    await expect(LAWS[law].check(options)).resolves.toBeUndefined();
  });
});

describe.skipIf(skipped)(`kernels for one pair of formats${skipped ? ` (${skipped})` : ""}`, () => {
  it.each([
    layerScheme("per-token", { key: 3, value: 8 }),
    layerScheme("kivi", { key: 2, value: 4 }),
    layerScheme("compact", { key: 4, value: 3 }),
  ])("give what the kernel for all formats gives: %j", async (layer) => {
    // One vector per workgroup: software drivers compile larger kernels for minutes.
    const shape = { layers: 1, queryHeads: 1, kvHeads: 1, headSize: 32 };
    const outputs: number[][] = [];
    const packed = layer.key.kind === "affine" && layer.key.axis === "token" && canPack === true;
    for (const kernels of [{}, { specialized: true, packed }]) {
      const backend = await backendWith({ kernels });
      const cache = await backend.createCache(shape, { shape, layers: [layer] });
      for (let token = 0; token < blockTokens(layer.key) + layer.residency.recent + 8; token++)
        outputs.push([...((await cache.attend(0, ...cpuCall(shape, 1, token))).data as Float32Array)]);
      await cache.dispose();
      await backend.dispose();
    }
    const half = outputs.length / 2;
    for (let token = 0; token < half; token++) expect(agree(outputs[token]!, outputs[half + token]!, PLAIN)).toBe(true);
  });
});
