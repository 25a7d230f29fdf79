import { uniformSetting, type Method } from "./method.ts";

const INT8 = {
  kind: "affine",
  bits: 8,
  format: "symmetric",
  axis: "token",
  groupSize: "head",
  blockSize: 1,
  transform: "none",
} as const;

/** One scale for each token of a KV head: the largest magnitude over 127. vLLM stores it in 32 bits, here it takes 16. */
export const vllmInt8Method: Method = {
  name: "vllm-int8",
  title: "8-bit integers, as in vLLM",
  source: "https://docs.vllm.ai/en/latest/features/quantization/quantized_kvcache.html",
  settings: [
    uniformSetting("int8_per_token_head", {
      key: INT8,
      value: INT8,
      residency: { kind: "prefix", sinks: 0, recent: 0 },
    }),
  ],
};
