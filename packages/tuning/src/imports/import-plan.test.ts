import { fc, test } from "@fast-check/vitest";
import { blockFormatScheme, layerScheme, type Pair, type Plan } from "@kvtuner/plan";
import { expect } from "vitest";
import { exportPlan, type ExportTarget } from "../exports/export-targets.ts";
import { UNQUANTIZED } from "../runtimes/runtime.ts";
import { importPlan, isSetting } from "./import-plan.ts";

const model = { name: "m", architecture: "llama" };
const shape = { layers: 4, queryHeads: 4, kvHeads: 2, headSize: 64, places: [3, 7, 11, 15] };
const layersOf = (text: string) => importPlan(text, { model, shape }).layers;

const bits = fc.constantFrom(2, 3, 4, 8, 16);
const anyPlan = fc
  .record({
    mode: fc.constantFrom("kivi", "per-token", "compact"),
    pairs: fc.array(fc.record({ key: bits, value: bits }), { minLength: 1, maxLength: 9 }),
    headSize: fc.constantFrom(64, 80, 96, 128),
    step: fc.constantFrom(1, 4),
  })
  .map(({ mode, pairs, headSize, step }): Plan => {
    const places = pairs.map((_, layer) => step * (layer + 1) - 1);
    return {
      version: 2,
      model,
      shape: { ...shape, layers: pairs.length, headSize, places },
      layers: pairs.map((pair) => layerScheme(mode, pair as Pair)),
    };
  });

test.prop([fc.constantFrom<ExportTarget>("llama.cpp", "vllm", "modelopt"), anyPlan])(
  "an export reads back as what it stores",
  (target, plan) => {
    const { text, plan: stored } = exportPlan(plan, target);
    expect(isSetting(text)).toBe(true);
    expect(importPlan(text, plan)).toEqual(stored);
  },
);

test("llama.cpp: short flags, in a whole command, the last of several; f16 where none is given", () => {
  const key = blockFormatScheme("q8_0", { rotation: "keys" });
  const value = blockFormatScheme("q4_0", { rotation: "values" });
  expect(layersOf("llama-server -m m.gguf -ctk q4_1 -ctv q4_0 \\\n -fa on --cache-type-k=q8_0")[3]).toMatchObject({
    key,
    value,
  });
  expect(layersOf("-ctk q8_0")[0]).toMatchObject({ key, value: { kind: "float16" } });
  expect(layersOf("-ctk f16 -ctv f16")).toEqual(Array.from({ length: 4 }, () => UNQUANTIZED));
});

test("vllm: skipped layers by their number in the model, in a whole command", () => {
  const [first, second] = layersOf("vllm serve m --kv-cache-dtype fp8_e4m3 --kv-cache-dtype-skip-layers 3 15 --port 1");
  expect(first).toEqual(UNQUANTIZED);
  expect(second).toEqual(layersOf("--kv-cache-dtype=fp8")[0]);
  expect(second!.key.kind).toBe("float8");
});

test("modelopt: one type for all layers without a map", () => {
  const of = (all: string | null) => layersOf(JSON.stringify({ quantization: { kv_cache_quant_algo: all } }));
  expect(of("NVFP4").map(({ key }) => key)).toEqual(Array.from({ length: 4 }, () => blockFormatScheme("nvfp4")));
  expect(of(null)).toEqual(Array.from({ length: 4 }, () => UNQUANTIZED));
});

const mapOf = (map: object) =>
  JSON.stringify({ quantization: { kv_cache_quant_algo: "FP8", kv_cache_quantized_layers: map } });

test.each([
  ["-ctk q3_0", /expected --cache-type-k to be one of f16, .*iq4_nl, got q3_0/],
  ["-ctk q8_0 -ctv", /expected --cache-type-v .*got nothing/],
  ["-ctk f32", /got f32/],
  ["--kv-cache-dtype int3", /expected --kv-cache-dtype to be one of auto, .*got int3/],
  ["--kv-cache-dtype fp8 --kv-cache-dtype-skip-layers 0", /some of the layers 3, 7, 11, 15, got 0/],
  ['{"kv_cache_quant_algo"', /in JSON/],
  ['{"kv_cache_quant_algo": "FP8"}', /at quantization/],
  ['{"quantization": {"kv_cache_quant_algo": "MIXED_PRECISION"}}', /add that map/],
  [mapOf({ "model.layers.3.self_attn": { quant_algo: "INT4" } }), /NVFP4, got INT4/],
  [mapOf({ "model.layers.4.self_attn": { quant_algo: "FP8" } }), /layers 3, 7, 11, 15, got model.layers.4/],
  ["--cache q8_0", /expected flags such as/],
])("%s is rejected", (text, message) => {
  expect(() => layersOf(text)).toThrow(expect.objectContaining({ code: "SETTING_INVALID" }) as Error);
  expect(() => layersOf(text)).toThrow(message);
});

test("a type that does not fit the heads is rejected", () => {
  const narrow = { ...shape, headSize: 80 };
  expect(() => importPlan("-ctk q8_0", { model, shape: narrow })).toThrow(/expected a setting that fits layer 0/);
});
