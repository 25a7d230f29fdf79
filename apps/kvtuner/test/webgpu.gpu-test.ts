import { createWebGpuBackend } from "@kvtuner/backend-webgpu";
import { describe, expect, test } from "vitest";
import { findGpu } from "../src/model/gpu.ts";
import { FLOAT32_CASES, logitsError, textsBesideReference } from "./embedded-agreement.ts";

const found = await findGpu();
const adapter = await found?.gpu.requestAdapter();
// Where tools/vulkan.mjs found a driver there has to be an adapter.
const isSkipped = !adapter && process.env["KVTUNER_VULKAN"] === undefined;

describe.skipIf(isSkipped)("the embedded model on WebGPU (needs a Vulkan driver)", () => {
  test.each([...FLOAT32_CASES, ["float16", "none", 1e-2], ["float16", "kivi:K4V2+sinks4", 1e-2]] as const)(
    "kernels in %s give the logits of %s",
    async (arithmetic, plan, tolerance) => {
      const kernels = { specialized: false, float16: arithmetic === "float16", subgroups: false };
      const backend = await createWebGpuBackend({ gpu: found!.gpu, kernels });
      expect(await logitsError(backend, plan)).toBeLessThan(tolerance);
      await backend.dispose();
    },
  );

  test("goes on with the reference's text, by the backend's name, for 200 tokens and more", async () => {
    const { expected, got, tokens } = await textsBesideReference("webgpu");
    expect(got).toEqual(expected);
    expect(tokens).toBeGreaterThan(200);
  });
});
