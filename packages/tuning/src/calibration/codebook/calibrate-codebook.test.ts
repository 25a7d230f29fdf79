import { assertAssetsFit, type CacheShape } from "@kvtuner/plan";
import { fakeQuantize, rotate } from "@kvtuner/quantizers";
import { channelRanges } from "@kvtuner/sensitivity";
import { expect, it } from "vitest";
import { kvquantMethod } from "../../methods/kvquant.ts";
import type { CalibratedSetting, Calibration, CodedLayers } from "../../methods/method.ts";
import type { TunableModel } from "../../tunable-model.ts";

const TOKENS = 160;
const shape: CacheShape = { layers: 2, queryHeads: 2, kvHeads: 2, headSize: 8 };
const WIDTH = shape.kvHeads * shape.headSize;
const ROPE = { frequencies: Float32Array.of(1, 0.1, 0.01), pairing: "halves" } as const;

/** Pseudorandom numbers from -1 to 1. */
const uniform = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
};

/** Keys of one layer and sample before RoPE: each channel has a mean and a spread of its own. */
const plainKeys = (layer: number, sample: number): Float32Array => {
  const next = uniform(layer * 100 + sample + 1);
  return Float32Array.from(
    { length: TOKENS * WIDTH },
    (_, index) => ((index % WIDTH) - 4) * 3 + (1 + (index % 3)) * next() ** 3,
  );
};

const afterRope = (keys: Float32Array): Float32Array => {
  const turned = keys.slice();
  for (let row = 0; row < TOKENS * shape.kvHeads; row++) {
    const own = turned.subarray(row * shape.headSize, (row + 1) * shape.headSize);
    rotate(own, shape.headSize, Math.floor(row / shape.kvHeads), ROPE);
  }
  return turned;
};

const fakeModel = (gradient = 1) => {
  const passes: number[] = [];
  const model: Pick<TunableModel, "shape" | "gradients" | "ropes"> = {
    shape,
    ropes: async () => [ROPE, ROPE],
    gradients: async (samples, { draws }, visit) => {
      passes.push(draws);
      for (const layer of [1, 0])
        for (const sample of samples.keys()) {
          const next = uniform(sample + 7);
          const random = (): Float32Array => Float32Array.from({ length: TOKENS * WIDTH }, next);
          await visit({
            sample,
            layer,
            isOwn: true,
            trace: { query: random().map((x) => x / 10), key: afterRope(plainKeys(layer, sample)), value: random() },
            gradients: Array.from({ length: draws }, () => random().map((x) => gradient * x)),
            attend: async () => expect.fail("no scheme is needed"),
          });
        }
    },
  };
  return { model: model as TunableModel, passes };
};

const calibrationOf = (model: TunableModel): Calibration => ({
  model,
  samples: [0, 1].map(() => new Int32Array(TOKENS)),
  context: 4096,
  seed: 3,
  callbacks: { progress: () => undefined, warn: () => undefined },
});

const SETTINGS = kvquantMethod.settings as readonly CalibratedSetting[];

const calibrated = async (label: string, calibration: Calibration): Promise<CodedLayers> =>
  SETTINGS.find((setting) => setting.label === label)!.calibrate(calibration);

it("all settings come from one backward pass, with tables that their schemes accept", async () => {
  const { model, passes } = fakeModel();
  const calibration = calibrationOf(model);
  for (const { calibrate } of SETTINGS) {
    const { layers, assets } = await calibrate(calibration);
    expect(layers).toHaveLength(2);
    for (const { key, value } of layers) for (const scheme of [key, value]) assertAssetsFit(scheme, shape, assets);
  }
  expect(passes).toHaveLength(1);
  expect(SETTINGS.map(({ label }) => label)).toContain("nuq3-0.1%");
});

it("scales are the ranges of keys before RoPE, and coded keys are near", async () => {
  const { layers, assets } = await calibrated("nuq4", calibrationOf(fakeModel().model));
  const scales = assets!.find(({ name }) => name === "layers.1.key.scales")!;
  const second = Float32Array.from([0, 1].flatMap((sample) => [...plainKeys(1, sample)].slice(WIDTH))).filter(
    (_, index) => index % WIDTH >= shape.headSize,
  );
  const ranges = channelRanges(second, shape.headSize, 0);
  const expected = [...ranges.scales, ...ranges.offsets];
  for (const [index, number] of scales.data.subarray(WIDTH).entries())
    expect(Math.abs(number - expected[index]!)).toBeLessThan(1e-4);

  const given = afterRope(plainKeys(1, 0)).slice(WIDTH);
  const decoded = new Float32Array(given.length);
  const layout = { tokens: TOKENS - 1, heads: shape.kvHeads, headSize: shape.headSize };
  fakeQuantize(given, decoded, layout, layers[1]!.key, { ...(assets && { assets }), position: 1 });
  const squares = given.map((number, index) => (number - decoded[index]!) ** 2);
  // 16 even levels over ranges of 1 to 3 would leave 0.08; a wrong position leaves more than 1.
  expect(Math.sqrt(squares.reduce((sum, square) => sum + square) / squares.length)).toBeLessThan(0.1);
});

it("gradients of NaN are rejected", async () => {
  await expect(calibrated("nuq2-1%", calibrationOf(fakeModel(NaN).model))).rejects.toThrow(
    expect.objectContaining({ code: "CALIBRATION_NOT_FINITE" }) as Error,
  );
});
