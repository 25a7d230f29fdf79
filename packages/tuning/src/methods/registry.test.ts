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
  ["vllm-int", "int8_per_token_head", 8 + 16 / 64],
  ["vllm-int", "int4_per_token_head", 4 + 32 / 64],
  ["tensorrt-llm", "fp8", 8],
  ["turboquant", "K3V3", 3 + 16 / 64],
  ["llama-cpp", "q8_0/q4_0", (8 + 4 + 2 * (16 / 32)) / 2],
  ["mlx", "4 bits", 4 + 32 / 64],
  ["exllamav3", "K6V4", 5 + 16 / 32],
  // The newest 32 tokens of 4096 are exact, and 32 before them fill no block of 64.
  ["transformers", "HQQ int4", 4 + 32 / 64 + ((16 - 4.5) * 64) / 4096],
  ["fp4", "nvfp4", 4 + 8 / 16],
  ["fp4", "mxfp4", 4 + 8 / 32],
  ["quarot", "K4V4", 4 + 32 / 64],
  ["skvq", "K2V2", 2 + 16 / 64 + ((16 - 2 - 16 / 64) * 133) / 4096],
  // Bytes of a block of 128 tokens: codes, scale and minimum of 64 channels (keys) or 128 tokens (values), and the other axis; 31 blocks.
  [
    "kvarn",
    "k4v2_g128",
    (((128 * 64 * 6) / 8 + 2 * (2 * 64 + 128) + 2 * (2 * 128 + 64)) * 31 * 8 + 2 * 16 * 128 * 64) / (2 * 64 * 4096),
  ],
  // One layer of three is coded.
  ["turboquant", "vLLM 3bit_nc", (2 * 16 + (3 + 16 / 64 + (3 + 32 / 64)) / 2) / 3],
])("%s:%s takes %d bits", (name, label, bits) => {
  const setting = METHODS.find((method) => method.name === name)!.settings.find((one) => one.label === label)!;
  expect(trueBits({ layers: (setting as StaticSetting).layers(shape), shape }, 4096)).toBeCloseTo(bits, 6);
});

/** Keys of a layer reach as far as the first token says, times the layer's number. */
const tracedModel: Pick<TunableModel, "shape" | "trace"> = {
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

test.each([
  ["fp8 calibrated", "float8", 448, false],
  ["int8", "block-format", 127, true],
])("%s maps the largest number of the text to the largest of its format", async (label, kind, largest, isShared) => {
  const setting = METHODS.flatMap(({ settings }) => settings).find((one) => one.label === label) as CalibratedSetting;
  const { layers } = await setting.calibrate({
    model: tracedModel as TunableModel,
    samples: [Int32Array.of(448), Int32Array.of(896)],
    context: 4096,
    seed: 0,
    callbacks: { progress: () => undefined, warn: () => undefined },
  });
  const scales = [1, 896, 1792].map((number) => [number / largest]);
  expect(layers.map(({ key }) => key)).toEqual(
    scales.map((own) => expect.objectContaining({ kind, scales: own }) as unknown),
  );
  // TensorRT-LLM has one scale for keys and values; vLLM one each, here of zeros.
  expect(layers.map(({ value }) => value)).toEqual(
    scales.map((own) => expect.objectContaining({ kind, scales: isShared ? own : [1] }) as unknown),
  );
});
