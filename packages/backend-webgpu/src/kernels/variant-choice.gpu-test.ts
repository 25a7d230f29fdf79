import { describe, expect, it } from "vitest";
import { nodeGpu, testDevice } from "../test-support/node-gpu.ts";
import { agree, chooseVariant, fastestVariant } from "./variant-choice.ts";
import { PLAIN } from "./variant.ts";

const { device, skipped } = await testDevice();

describe.skipIf(skipped)(`the choice of kernels${skipped ? ` (${skipped})` : ""}`, () => {
  it("does not take what the device cannot do", async () => {
    const adapter = await nodeGpu.requestAdapter();
    const plain = await adapter!.requestDevice();
    await expect(fastestVariant(plain, ["float16", "subgroups"])).resolves.toEqual(PLAIN);
  });

  it("is the plain kernels on drivers in software, without measuring", async () => {
    expect(device!.adapterInfo.isFallbackAdapter).toBe(true);
    await expect(chooseVariant(device!)).resolves.toEqual(PLAIN);
  });
});

it.each([
  [[1, -3], [1.005, -3], true],
  [[1, -3], [1, -2.99], false],
  [[1, -3], [1, Number.NaN], false],
  [[1, -3], [1], false],
])("the self-test tells %j from %j: %s", (expected, got, same) => {
  expect(agree(expected, got)).toBe(same);
});
