import { expect, it } from "vitest";
import { noCounts } from "./counters.ts";
import { KernelLibrary } from "./kernel-library.ts";

const SOURCE = { name: "example", text: "", accesses: ["read"] as const };

/** A device whose compiler fails `failures` times. */
const failingDevice = (failures: number): GPUDevice =>
  ({
    pushErrorScope: () => {},
    popErrorScope: async () => null,
    createShaderModule: () => ({}),
    createBindGroupLayout: () => ({}),
    createPipelineLayout: () => ({}),
    createComputePipelineAsync: async () => {
      if (failures-- > 0) throw new Error("no memory for it");
      return {};
    },
  }) as unknown as GPUDevice;

it("a kernel that was refused may be asked for again", async () => {
  const library = new KernelLibrary(failingDevice(1));
  const counters = noCounts();
  const [first, second] = [library.compile(SOURCE, counters), library.compile(SOURCE, counters)];
  await expect(first).rejects.toMatchObject({ code: "BACKEND_KERNEL" });
  await expect(second).rejects.toMatchObject({ code: "BACKEND_KERNEL" });
  expect(counters.pipelines).toBe(1);
  const kernel = await library.compile(SOURCE, counters);
  await expect(library.compile(SOURCE, counters)).resolves.toBe(kernel);
  expect(counters.pipelines).toBe(2);
});
