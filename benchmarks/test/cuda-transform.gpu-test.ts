import { expect, it } from "vitest";
import { noCompiler } from "../../packages/backend-cuda/src/test-support/compile-driver.ts";
import { createCudaBackendOnCpu } from "../../packages/backend-cuda/src/test-support/cpu-backend.ts";
import { assertTransformAgreement, OTHER_WAYS, SHAPE } from "./transform-agreement.ts";

it.skipIf(noCompiler()).each([
  ["reads all tokens", SHAPE],
  ["has spans, caps, sinks and a shared cache", OTHER_WAYS],
] as const)(
  "on CUDA's kernels compiled for the CPU, transform coding that %s agrees with the reference, bit for bit in snapshots",
  async (_, shape) => {
    const backend = await createCudaBackendOnCpu();
    await expect(assertTransformAgreement(backend, shape, 5e-5)).resolves.toBeUndefined();
    await backend.dispose();
  },
);
