import { describe, expect, it } from "vitest";
import { PLAIN } from "../kernels/variant.ts";
import { choiceKey, type KernelChoices, recallVariant, rememberVariant } from "./kernel-choices.ts";

const INFO = {
  vendor: "example",
  architecture: "ninety",
  device: "",
  description: "Example 90",
  subgroupMinSize: 32,
  subgroupMaxSize: 32,
  isFallbackAdapter: false,
};
const ABILITIES = ["specialized", "subgroups", "packed"] as const;
const KEY = choiceKey(INFO, ABILITIES);

const failing: KernelChoices = {
  get: () => Promise.reject(new Error("no such file")),
  set: () => {
    throw new Error("the disk is full");
  },
};

describe("remembered kernels", () => {
  it.each([PLAIN, { ...PLAIN, packed: true }, { ...PLAIN, subgroups: true, packed: true, specialized: true }])(
    "come back: %j",
    async (variant) => {
      const choices = new Map<string, string>();
      await rememberVariant(choices, KEY, variant);
      await expect(recallVariant(choices, KEY, ABILITIES)).resolves.toEqual(variant);
    },
  );

  it.each(["f16", "f32-", "", "f32-subgroups-subgroups", '{"packed":true}', "\u0000"])(
    "are none where the store holds %j: nothing, or what was not tried",
    async (foreign) => {
      await expect(recallVariant(new Map([[KEY, foreign]]), KEY, ABILITIES)).resolves.toBeUndefined();
    },
  );

  it("are none where the store holds no text, fails, or is not there", async () => {
    const numbers = new Map([[KEY, 7]]) as unknown as KernelChoices;
    for (const choices of [numbers, failing, { get: () => null, set: () => {} }, undefined])
      await expect(recallVariant(choices, KEY, ABILITIES)).resolves.toBeUndefined();
    await expect(rememberVariant(failing, KEY, PLAIN)).resolves.toBeUndefined();
    await expect(rememberVariant(undefined, KEY, PLAIN)).resolves.toBeUndefined();
  });

  it("are of one adapter, one set of abilities and one edition of the package", () => {
    const keys = [KEY, choiceKey({ ...INFO, device: "other" }, ABILITIES), choiceKey(INFO, ["packed"])];
    expect(new Set(keys).size).toBe(3);
    expect(KEY).toMatch(/\| 0\.\d+\.\d+ [0-9a-f]{16}$/);
  });
});
