import { assertHeadFits, layerShape, trueBits, type CacheShape } from "@kvtuner/plan";
import { expect, test } from "vitest";
import type { TunableModel } from "../tunable-model.ts";
import type { CalibratedSetting, StaticSetting } from "./method.ts";
import { METHODS } from "./registry.ts";

const shape: CacheShape = { layers: 3, queryHeads: 4, kvHeads: 2, headSize: 64 };

test("methods and their settings have unique names", () => {
  const names = METHODS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  for (const { name, settings } of METHODS) {
    expect(name).toMatch(/^[a-z][a-z0-9-]*$/);
    expect(new Set(settings.map(({ label }) => label)).size).toBe(settings.length);
  }
});

const staticSettings = METHODS.flatMap(({ name, settings }) =>
  settings.flatMap((setting) => ("layers" in setting ? [[`${name}:${setting.label}`, setting] as const] : [])),
);

test.each(staticSettings)("%s has a scheme for every layer that its heads fit", (_, setting) => {
  const layers = setting.layers(shape);
  expect(layers).toHaveLength(shape.layers);
  for (const [layer, scheme] of layers.entries()) assertHeadFits(scheme, layerShape(shape, layer));
  expect(trueBits({ layers, shape }, 4096)).toBeLessThanOrEqual(16);
});

/** True bits from the formats' own definitions, at 4096 tokens and heads of 64. */
test.each([
  ["kivi", "K4V2", (4 + 1 + (2 + 1)) / 2 + ((16 - 4) * 32) / 4096],
  ["per-token", "K4V4", 4 + 32 / 64],
  ["fp8", "fp8_per_token_head", 8 + 16 / 64],
])("%s:%s takes %d bits", (name, label, bits) => {
  const setting = METHODS.find((method) => method.name === name)!.settings.find((one) => one.label === label)!;
  expect(trueBits({ layers: (setting as StaticSetting).layers(shape), shape }, 4096)).toBeCloseTo(bits, 6);
});

test("calibrated fp8 maps the largest number of each tensor to the largest of e4m3", async () => {
  const setting = METHODS.flatMap(({ settings }) => settings).find(
    ({ label }) => label === "fp8 calibrated",
  ) as CalibratedSetting;
  const model: Pick<TunableModel, "shape" | "trace"> = {
    shape,
    trace: async ([size = 0], visit) => {
      for (const layer of [0, 1, 2])
        await visit(layer, {
          query: new Float32Array(),
          key: Float32Array.of(1, -size * layer),
          value: new Float32Array(2),
        });
    },
  };
  const { layers } = await setting.calibrate({
    model: model as TunableModel,
    samples: [Int32Array.of(448), Int32Array.of(896)],
    context: 4096,
    seed: 0,
    callbacks: { progress: () => undefined, warn: () => undefined },
  });
  expect(layers.map(({ key }) => key)).toEqual(
    [1 / 448, 2, 4].map((scale) => expect.objectContaining({ kind: "float8", scope: "tensor", scales: [scale] })),
  );
  expect(layers[0]!.value).toMatchObject({ scales: [1] });
});
