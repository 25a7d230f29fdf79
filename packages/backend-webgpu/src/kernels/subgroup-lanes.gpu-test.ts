import { layerScheme } from "@kvtuner/plan";
import { expect, it } from "vitest";
import { agree } from "../choice/variant-trial.ts";
import { alteredDevice } from "../test-support/altered-device.ts";
import { testDevice } from "../test-support/node-gpu.ts";
import { cpuCall } from "../test-support/rows.ts";
import { createWebGpuBackend } from "../webgpu-backend.ts";
import { PLAIN, type Variant } from "./variant.ts";

const { device } = await testDevice();
const skipped = device?.features.has("subgroups") ? undefined : "the adapter has no subgroups";

const INDEX = "@builtin(local_invocation_index) lane: u32) {";

const SCATTERED = `${INDEX.replace("lane", "index")}
let lane = index % 8u * 8u + index / 8u;`;

/** The same device with subgroups of every eighth lane: WGSL does not promise neighbours. */
const scattered = (whole: GPUDevice): GPUDevice =>
  alteredDevice(whole, {
    createShaderModule: (module: GPUShaderModuleDescriptor) => {
      if (!module.label?.startsWith("attend")) return whole.createShaderModule(module);
      expect(module.code).toContain(INDEX);
      return whole.createShaderModule({ ...module, code: module.code.replace(INDEX, SCATTERED) });
    },
  });

const SHAPE = { layers: 1, queryHeads: 4, kvHeads: 1, headSize: 32 };
const LAYER = layerScheme("kivi", { key: 4, value: 4 });

const outputOf = async (on: GPUDevice, kernels: Partial<Variant>): Promise<number[]> => {
  const backend = await createWebGpuBackend({ device: on, kernels });
  const cache = await backend.createCache(SHAPE, { shape: SHAPE, layers: [LAYER] });
  const [query, key, value] = cpuCall(SHAPE, 250, 0);
  // One large key: without its score, the largest weight overflows float32.
  const numbers = key.data as Float32Array;
  for (let index = 100 * SHAPE.headSize; index < 101 * SHAPE.headSize; index++) numbers[index]! *= 200;
  const output = await cache.attend(0, query, key, value);
  await backend.dispose();
  return [...(output.data as Float32Array)];
};

it.skipIf(skipped)(
  `subgroups find the largest score whichever lanes they are of${skipped ? ` (${skipped})` : ""}`,
  async () => {
    const expected = await outputOf(device!, PLAIN);
    expect(agree(expected, await outputOf(scattered(device!), { subgroups: true }), PLAIN)).toBe(true);
  },
);
