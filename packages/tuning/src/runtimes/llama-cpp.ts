import { blockFormatScheme, FLOAT16, isCoded, type TensorScheme } from "@kvtuner/plan";
import { coded, everywhere, pairsOf, type Runtime } from "./runtime.ts";

/** Types of llama.cpp's cache of at most 16 bits, most exact first. f32 and bf16 save nothing over f16. */
export const CACHE_TYPES = ["f16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"] as const;

type Type = (typeof CACHE_TYPES)[number];

const schemeOf = (type: Type, rotation: "keys" | "values"): TensorScheme =>
  type === "f16" ? FLOAT16 : blockFormatScheme(type, { rotation });

/** One type for the keys and one for the values of all layers. Quantized types are rotated where the head allows it. */
export const llamaCpp: Runtime = {
  name: "llama.cpp",
  source: "https://github.com/ggml-org/llama.cpp/blob/master/common/arg.cpp",
  limits: "heads of multiples of 32",
  // On the CPU, which multiplies quantized keys with queries in q8_0. Measured there: see docs/benchmarks/methods.md.
  queries: ({ key }) => (isCoded(key) ? schemeOf("q8_0", "keys") : undefined),
  settings: ({ shape }) =>
    pairsOf(CACHE_TYPES)
      .filter(([key, value]) => key !== "f16" || value !== "f16")
      .map(([key, value]) => ({
        label: `${key}/${value}`,
        layers: everywhere(shape, coded(schemeOf(key, "keys"), schemeOf(value, "values"))),
        paste: `--cache-type-k ${key} --cache-type-v ${value} --flash-attn on`,
      })),
};
