import { expect, it } from "vitest";
import { assertKernels } from "./requested-kernels.ts";
import type { Variant } from "./variant.ts";

const device = { features: new Set(["subgroups"]) as unknown as GPUSupportedFeatures };

it.each<[Partial<Variant>, ReadonlySet<string> | undefined]>([
  [{}, undefined],
  [{ specialized: true, subgroups: true, float16: false }, undefined],
  [{ packed: true }, undefined],
  [{ packed: true }, new Set(["packed_4x8_integer_dot_product"])],
])("kernels that the device runs are taken: %j", (kernels, languageFeatures) => {
  expect(() => assertKernels(kernels, device, languageFeatures)).not.toThrow();
});

it.each<[object, RegExp]>([
  [{ float16: true }, /expected a device with the feature "shader-f16" for float16, got one without; request it/],
  [{ packed: true }, /expected shaders with "packed_4x8_integer_dot_product" for packed, got some without/],
  [{ float61: true }, /expected kernels to be among specialized, float16, subgroups, packed, got "float61"; correct/],
])("kernels that it does not are refused: %j", (kernels, message) => {
  expect(() => assertKernels(kernels, device, new Set())).toThrow(
    expect.objectContaining({ code: "BACKEND_KERNELS", message: expect.stringMatching(message) }),
  );
});
