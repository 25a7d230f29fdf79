import { describe, expect, it } from "vitest";
import { PLAIN } from "../kernels/variant.ts";
import { nodeGpu, testDevice } from "../test-support/node-gpu.ts";
import { choiceKey } from "./kernel-choices.ts";
import { chooseVariant, fastestVariant, type Measurement, rememberedVariant } from "./variant-choice.ts";
import { agreeInAll, tryVariant } from "./variant-trial.ts";

const { device, skipped } = await testDevice();

/** Short: a software driver says nothing about speed. */
const SHORT: Measurement = {
  problem: { shape: { layers: 1, queryHeads: 4, kvHeads: 2, headSize: 64 }, tokens: 300 },
  roundMs: 0,
  rounds: 3,
};

const plainDevice = async (): Promise<GPUDevice> => (await nodeGpu.requestAdapter())!.requestDevice();

const canHalf = device?.features.has("shader-f16") === true;

it.skipIf(!canHalf)("float16 kernels give what the plain ones give, also of values far out", async () => {
  const [plain, half] = [await tryVariant(device!, PLAIN), await tryVariant(device!, { ...PLAIN, float16: true })];
  expect(agreeInAll(plain, half, { float16: true })).toBe(true);
});

describe.skipIf(skipped)(`the choice of kernels${skipped ? ` (${skipped})` : ""}`, () => {
  it("does not take what the device cannot do", async () => {
    await expect(fastestVariant(await plainDevice(), ["float16", "subgroups"], SHORT)).resolves.toEqual(PLAIN);
  });

  it("is the plain kernels on drivers in software, without measuring", async () => {
    expect(device!.adapterInfo.isFallbackAdapter).toBe(true);
    await expect(chooseVariant(device!)).resolves.toEqual(PLAIN);
  });

  it("is remembered for the next process, whose kernels are not measured but tried", async () => {
    const abilities = ["packed"] as const;
    const key = choiceKey(device!.adapterInfo, abilities);
    const choices = new Map<string, string>();
    const measured = await rememberedVariant(device!, abilities, choices, SHORT);
    expect([...choices]).toEqual([[key, measured.packed ? "f32-packed" : "f32"]]);
    // Whichever was faster, a stored choice that gives the same outputs is used.
    choices.set(key, "f32-packed");
    await expect(rememberedVariant(device!, abilities, choices, SHORT)).resolves.toEqual({ ...PLAIN, packed: true });
  });

  it("is measured anew where what is remembered does not run", async () => {
    const abilities = ["subgroups"] as const;
    const withoutSubgroups = await plainDevice();
    const key = choiceKey(withoutSubgroups.adapterInfo, abilities);
    const choices = new Map([[key, "f32-subgroups"]]);
    await expect(rememberedVariant(withoutSubgroups, abilities, choices, SHORT)).resolves.toEqual(PLAIN);
    expect(choices.get(key)).toBe("f32");
  });
});
