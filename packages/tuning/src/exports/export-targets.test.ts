import { fc, test } from "@fast-check/vitest";
import { blockFormatScheme, layerScheme, type Pair, type Plan, type SchemeOf } from "@kvtuner/plan";
import { importPresetYaml, parsePlan, serializePlan } from "@kvtuner/plan/files";
import { describe, expect } from "vitest";
import { exportPlan, EXPORT_TARGETS } from "./export-targets.ts";

const shape = { layers: 4, queryHeads: 4, kvHeads: 2, headSize: 64 };
const model = { name: "m", architecture: "llama" };

const planOf = (mode: "kivi" | "per-token" | "compact", pairs: readonly Pair[]): Plan => ({
  version: 2,
  model,
  shape: { ...shape, layers: pairs.length },
  layers: pairs.map((pair) => layerScheme(mode, pair)),
});

/** Ranges of numbers of a known size, of each layer. */
const rangesOf = ({ shape: { layers, kvHeads, headSize, valueSize = headSize } }: Plan) =>
  Array.from({ length: layers }, () => ({
    key: new Float32Array(kvHeads * headSize).fill(127),
    value: new Float32Array(kvHeads * valueSize).fill(7),
  }));

const pairs = (text: string): Pair[] =>
  text.split(" ").map((pair) => {
    const [key, value] = pair.split("/").map(Number);
    return { key, value } as Pair;
  });

const anyPair = fc.record({ key: fc.constantFrom(2, 3, 4, 8, 16), value: fc.constantFrom(2, 3, 4, 8, 16) });
const anyPlan = fc
  .tuple(fc.constantFrom("kivi", "per-token", "compact"), fc.array(anyPair, { minLength: 1, maxLength: 9 }))
  .map(([mode, own]) => planOf(mode, own as Pair[]));

describe.each(EXPORT_TARGETS)("%s", (target) => {
  test.prop([anyPlan])("gives a plan that can be stored, and lists exactly what changed", (plan) => {
    const exported = exportPlan(plan, target, rangesOf(plan));
    expect(parsePlan(serializePlan(exported.plan)).layers).toHaveLength(plan.layers.length);
    for (const { layer, tensor, planned, exported: bits } of exported.changes) {
      expect(bits).not.toBeCloseTo(planned, 3);
      expect(exported.plan.layers[layer]![tensor]).not.toEqual(plan.layers[layer]![tensor]);
    }
    expect(exported.text.endsWith("\n")).toBe(true);
    // What a target stores is its own nearest setting.
    expect(exportPlan(exported.plan, target, rangesOf(plan)).text).toBe(exported.text);
  });
});

test.each(EXPORT_TARGETS)(
  "%s: a plan whose heads have bits of their own, with values of another size than keys",
  (target) => {
    const scheme = transformOf([1.125, 4.25]);
    const own = {
      key: scheme,
      value: { ...scheme, bits: [6.25, 2.5] },
      residency: { kind: "prefix", sinks: 4, recent: 32 },
    } as const;
    const plan: Plan = { version: 2, model, shape: { ...shape, valueSize: 32, layers: 2 }, layers: [own, own] };
    const { changes, text } = exportPlan(plan, target, rangesOf(plan));
    expect(text).not.toBe("");
    // Codes, and a gain of 4 bits a token.
    const planned = { key: (1.125 + 4.25) / 2 + 4 / 64, value: (6.25 + 2.5) / 2 + 4 / 32 };
    for (const change of changes) expect(change.planned).toBeCloseTo(planned[change.tensor], 2);
    expect(changes).not.toEqual([]);
  },
);

const transformOf = (bits: readonly number[]): SchemeOf<"transform"> => ({
  kind: "transform",
  stage: "as-given",
  frequencies: "none",
  pairing: "none",
  mean: "none",
  rotation: "none",
  signs: "none",
  bits,
  widths: "widths",
  gain: "log4",
  levels: "gaussian",
  scales: "none",
  metric: "none",
  blockSize: 2,
});

test("llama.cpp: the types nearest to all layers, a bit too few weighing more", () => {
  const { text, changes, plan } = exportPlan(planOf("per-token", pairs("8/4 8/4 8/4 4/4")), "llama.cpp");
  expect(text).toBe("--cache-type-k q8_0 --cache-type-v q4_0 --flash-attn on\n");
  expect(changes).toEqual([{ layer: 3, tensor: "key", type: "q8_0/q4_0", planned: 4.5, exported: 8.5 }]);
  expect(plan.layers[0]).toEqual({
    key: blockFormatScheme("q8_0", { rotation: "keys" }),
    value: blockFormatScheme("q4_0", { rotation: "values" }),
    residency: { kind: "prefix", sinks: 0, recent: 0 },
  });
  expect(exportPlan(planOf("kivi", pairs("16/16 16/16")), "llama.cpp").text).toBe(
    "--cache-type-k f16 --cache-type-v f16\n",
  );
});

test("vllm: one type, and the layers that it is too coarse for are skipped by their number in the model", () => {
  const plan = planOf("per-token", pairs("16/16 4/4 4/4 16/16"));
  expect(exportPlan(plan, "vllm").text).toBe("--kv-cache-dtype int4_per_token_head --kv-cache-dtype-skip-layers 0 3\n");
  const hybrid = { ...plan, shape: { ...plan.shape, places: [3, 7, 11, 15] } };
  expect(exportPlan(hybrid, "vllm").text).toContain("--kv-cache-dtype-skip-layers 3 15");
  expect(exportPlan(planOf("per-token", pairs("16/16 16/16")), "vllm").text).toBe("--kv-cache-dtype auto\n");
});

test("modelopt: the map of Model-Optimizer's own exporter", () => {
  const { text } = exportPlan(planOf("kivi", pairs("8/8 8/4 4/4 16/16")), "modelopt");
  // The form that its test `test_convert_mixed_kv_cache_config_preserves_layer_map` reads.
  expect(JSON.parse(text)).toMatchObject({
    quantization: {
      kv_cache_quant_algo: "MIXED_PRECISION",
      kv_cache_quantized_layers: {
        "model.layers.0.self_attn": { quant_algo: "FP8" },
        "model.layers.1.self_attn": { quant_algo: "FP8_K_NVFP4_V" },
        "model.layers.2.self_attn": { quant_algo: "NVFP4" },
      },
      kv_cache_schema_version: 1,
    },
  });
  expect(JSON.parse(exportPlan(planOf("kivi", pairs("8/8 8/8")), "modelopt").text).quantization).toMatchObject({
    kv_cache_quant_algo: "FP8",
  });
});

test("transformers: arguments of generate", () => {
  const { text, plan } = exportPlan(planOf("kivi", pairs("2/2 2/2")), "transformers");
  expect(text).toMatch(/^model\.generate\(.*cache_implementation="quantized".*"nbits":2/);
  expect(plan.layers[0]!.key).toEqual(blockFormatScheme("quanto2"));
});

test("onnx: bits of a layer's keys and values together, with a scale for each channel", () => {
  const plan = planOf("kivi", pairs("16/16 8/4 4/2 4/4"));
  const exported = exportPlan(plan, "onnx", rangesOf(plan));
  expect(JSON.parse(exported.text)).toEqual({
    0: { k_quant_type: "NONE", v_quant_type: "NONE" },
    1: { k_quant_type: "PER_CHANNEL", v_quant_type: "PER_CHANNEL", kv_cache_bit_width: 8 },
    2: { k_quant_type: "PER_CHANNEL", v_quant_type: "PER_CHANNEL", kv_cache_bit_width: 4 },
    3: { k_quant_type: "PER_CHANNEL", v_quant_type: "PER_CHANNEL", kv_cache_bit_width: 4 },
  });
  const channels = shape.kvHeads * shape.headSize;
  expect(exported.plan.layers[1]).toMatchObject({
    key: { format: "ort-int8", scales: Array.from({ length: channels }, () => 1) },
    value: { format: "ort-int8", scales: Array.from({ length: channels }, () => Math.fround(7) / 127) },
  });
  expect(() => exportPlan(plan, "onnx")).toThrow(expect.objectContaining({ code: "EXPORT_RANGES" }));
});

test("kvtuner-yaml: the paper's presets, which are read back", () => {
  const plan = planOf("kivi", pairs("8/4 4/2 2/2"));
  const { text, changes } = exportPlan(plan, "kvtuner-yaml");
  expect(changes).toEqual([]);
  expect(importPresetYaml(text, { model, shape, mode: "kivi" }).layers).toEqual(plan.layers);
  const raised = exportPlan(planOf("per-token", pairs("3/3 16/8")), "kvtuner-yaml");
  expect(raised.changes.map(({ tensor, type }) => `${tensor} ${type}`)).toEqual(["key K4V4", "value K4V4"]);
});
