import { fc, test } from "@fast-check/vitest";
import { layerScheme, type Pair, type Plan } from "@kvtuner/plan";
import { describe, expect } from "vitest";
import { z } from "zod";
import { exportPlan } from "./export-targets.ts";

/**
 * `hf_quant_config.json` of NVIDIA's ModelOpt, for a checkpoint whose weights are not quantized: what its exporter writes
 * (`get_quant_config` in modelopt/torch/export/quant_utils.py, tests in tests/unit/torch/export/test_convert_hf_config.py and
 * tests/unit/torch/quantization/test_autoquant_kv_cache.py). Without quantized layers there is no map. Readers such as
 * TensorRT-LLM's `ModelOPTQuantConfigReader` refuse another producer.
 */
const layerAlgorithm = z.enum(["FP8", "NVFP4", "FP8_K_NVFP4_V"]);
const modelOptFile = z.strictObject({
  producer: z.strictObject({ name: z.literal("modelopt"), version: z.string().min(1) }),
  quantization: z.union([
    z.strictObject({ quant_algo: z.null(), kv_cache_quant_algo: z.null() }),
    z
      .strictObject({
        quant_algo: z.null(),
        kv_cache_quant_algo: z.union([layerAlgorithm, z.literal("MIXED_PRECISION")]),
        kv_cache_quantized_layers: z.record(
          z.string().regex(/^model\.layers\.\d+\.self_attn$/),
          z.strictObject({ quant_algo: layerAlgorithm }),
        ),
        kv_cache_schema_version: z.literal(1),
      })
      .refine(({ kv_cache_quant_algo: all, kv_cache_quantized_layers: layers }) => {
        const used = new Set(Object.values(layers).map(({ quant_algo: own }) => own));
        return used.size > 1 ? all === "MIXED_PRECISION" : used.has(all as never);
      }, "the algorithm of all layers where they have one, MIXED_PRECISION otherwise"),
  ]),
});

/** `CacheConfig.cache_dtype` and `kv_cache_dtype_skip_layers` in vllm/config/cache.py: a name of `CacheDType`; layer numbers. */
const vllmArguments = z.strictObject({
  type: z.enum([
    "auto",
    "float16",
    "bfloat16",
    "fp8",
    "fp8_e4m3",
    "fp8_e5m2",
    "fp8_inc",
    "fp8_ds_mla",
    "nvfp4_ds_mla",
    "turboquant_k8v4",
    "turboquant_4bit_nc",
    "turboquant_k3v4_nc",
    "turboquant_3bit_nc",
    "int4_per_token_head",
    "int8_per_token_head",
    "fp8_per_token_head",
    "nvfp4",
    "nvfp4_4over6",
  ]),
  skipped: z.array(z.string().regex(/^\d+$/)),
});

/** As `argparse` reads the flags: one value, and one or more. */
const argumentsOf = (text: string): unknown => {
  const [, type, skipped] = /^--kv-cache-dtype (\S+)(?: --kv-cache-dtype-skip-layers (.+))?\n$/.exec(text) ?? [];
  return { type, skipped: skipped?.split(" ") ?? [] };
};

const bits = fc.constantFrom(2, 3, 4, 8, 16);
const anyPlan = fc
  .record({
    mode: fc.constantFrom("kivi", "per-token", "compact"),
    pairs: fc.array(fc.record({ key: bits, value: bits }), { minLength: 1, maxLength: 6 }),
    headSize: fc.constantFrom(64, 80, 96, 128),
    valueSize: fc.constantFrom(undefined, 64),
  })
  .map(({ mode, pairs, headSize, valueSize }): Plan => {
    const shape = { layers: pairs.length, queryHeads: 4, kvHeads: 2, headSize };
    return {
      version: 2,
      model: { name: "m", architecture: "llama" },
      shape: { ...shape, ...(valueSize && { valueSize }), places: pairs.map((_, layer) => 4 * layer + 3) },
      layers: pairs.map((pair) => layerScheme(mode, pair as Pair)),
    };
  });

describe("every export is one that the other runtime reads", () => {
  test.prop([anyPlan], { numRuns: 60 })("modelopt", (plan) => {
    const { text, plan: stored } = exportPlan(plan, "modelopt");
    const { quantization } = modelOptFile.parse(JSON.parse(text));
    const map = "kv_cache_quantized_layers" in quantization ? quantization.kv_cache_quantized_layers : {};
    const coded = stored.layers.flatMap(({ key }, layer) => (key.kind === "float16" ? [] : [4 * layer + 3]));
    expect(Object.keys(map)).toEqual(coded.map((place) => `model.layers.${place}.self_attn`));
    // ModelOpt refuses types that differ where keys and values have other sizes.
    const { headSize, valueSize = headSize } = plan.shape;
    if (headSize !== valueSize) expect(text).not.toContain("FP8_K_NVFP4_V");
  });

  test.prop([anyPlan], { numRuns: 60 })("vllm", (plan) => {
    const { text } = exportPlan(plan, "vllm");
    const { type, skipped } = vllmArguments.parse(argumentsOf(text));
    expect(skipped.every((place) => Number(place) % 4 === 3)).toBe(true);
    if (type === "auto") expect(skipped).toEqual([]);
  });

  test("the schemas refuse what they should", () => {
    const layers = { "model.layers.3.self_attn": { quant_algo: "FP8" } };
    const file = (quantization: object, name = "modelopt") =>
      modelOptFile.safeParse({ producer: { name, version: "1" }, quantization: { quant_algo: null, ...quantization } })
        .success;
    const fp8 = { kv_cache_quant_algo: "FP8", kv_cache_quantized_layers: layers, kv_cache_schema_version: 1 };
    expect(file(fp8)).toBe(true);
    expect(file(fp8, "kvtuner")).toBe(false);
    expect(file({ ...fp8, kv_cache_quant_algo: "MIXED_PRECISION" })).toBe(false);
    expect(file({ ...fp8, kv_cache_quantized_layers: { "3": { quant_algo: "FP8" } } })).toBe(false);
    expect(file({ kv_cache_quant_algo: null, kv_cache_quantized_layers: {} })).toBe(false);
    expect(vllmArguments.safeParse(argumentsOf("--kv-cache-dtype int3\n")).success).toBe(false);
  });
});
