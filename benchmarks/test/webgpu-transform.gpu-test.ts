import { createWebGpuBackend } from "@kvtuner/backend-webgpu";
import { expect, it } from "vitest";
import { create } from "webgpu";
import { assertTransformAgreement, OTHER_WAYS, SHAPE } from "./transform-agreement.ts";

/** It must outlive everything created from it. */
const gpu = create([]);

const adapter = await gpu.requestAdapter().catch(() => null);
if (!adapter && process.env["KVTUNER_VULKAN"]) throw new Error("expected an adapter of the driver, got none");

it.skipIf(!adapter).each([
  ["reads all tokens", SHAPE],
  ["has spans, caps, sinks and a shared cache", OTHER_WAYS],
] as const)(
  "on WebGPU, transform coding that %s agrees with the reference, bit for bit in snapshots",
  async (_, shape) => {
    const backend = await createWebGpuBackend({ gpu, kernels: {} });
    await expect(assertTransformAgreement(backend, shape, 1e-3)).resolves.toBeUndefined();
    await backend.dispose();
  },
);
