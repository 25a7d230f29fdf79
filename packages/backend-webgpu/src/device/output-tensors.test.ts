import { expect, it } from "vitest";
import type { Gpu } from "./gpu.ts";
import { OutputTensors } from "./output-tensors.ts";
import { Staging } from "./staging.ts";

it("outputs that outlive the backend give their buffers back to the device, which may be the caller's", async () => {
  let [made, destroyed] = [0, 0];
  const gpu = {
    device: { limits: { maxBufferSize: 2 ** 28 } },
    createBuffer: async (sizeBytes: number) => ({ id: made++, gpu: {}, sizeBytes }),
    destroy: () => void destroyed++,
  } as unknown as Gpu;
  const outputs = new OutputTensors(gpu, new Staging(gpu));
  const [early, late] = [await outputs.take([1, 2, 64]), await outputs.take([1, 1, 64])];
  early.dispose();
  outputs.clear();
  expect(destroyed).toBe(1);
  late.dispose();
  expect([made, destroyed]).toEqual([2, 2]);
});
