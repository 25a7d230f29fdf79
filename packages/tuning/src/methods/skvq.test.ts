import { assertAssetsFit, type CacheShape, layerShape, tensorShape } from "@kvtuner/plan";
import { expect, test } from "vitest";
import type { TunableModel } from "../tunable-model.ts";
import type { CalibratedSetting } from "./method.ts";
import { skvqMethod } from "./skvq.ts";

const shape: CacheShape = { layers: 2, queryHeads: 4, kvHeads: 2, headSize: 64 };

/** Channels of the second head of the keys reach the farther the lower their number, in the second sample. */
const model: Pick<TunableModel, "shape" | "trace"> = {
  shape,
  trace: async ([size = 0], visit) => {
    const key = Float32Array.from({ length: 3 * 128 }, (_, index) => (index < 128 ? size * (index % 128) : 1));
    for (const layer of [0, 1])
      await visit(layer, {
        query: new Float32Array(),
        key: key.map((x) => x / (layer + 1)),
        value: new Float32Array(128),
      });
  },
};

test("channels come in the order of their range over all samples, each head by itself", async () => {
  const setting = skvqMethod.settings.find(({ label }) => label === "K2V2 reordered") as CalibratedSetting;
  const { layers, assets = [] } = await setting.calibrate({
    model: model as TunableModel,
    samples: [Int32Array.of(1), Int32Array.of(-2)],
    context: 4096,
    seed: 0,
    callbacks: { progress: () => undefined, warn: () => undefined },
  });
  const ascending = Array.from({ length: 64 }, (_, channel) => channel);
  expect(assets.map(({ name }) => name)).toEqual([
    "layers.0.key.order",
    "layers.0.value.order",
    "layers.1.key.order",
    "layers.1.value.order",
  ]);
  expect([...assets[0]!.data]).toEqual([...ascending, ...ascending]);
  for (const [layer, scheme] of layers.entries())
    for (const tensor of ["key", "value"] as const)
      assertAssetsFit(scheme[tensor], tensorShape(layerShape(shape, layer), tensor), assets);
});
