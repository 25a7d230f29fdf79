import type { AffineScheme } from "@kvtuner/plan";
import { uniformSetting, type Method, type StaticSetting } from "./method.ts";

const INT8: AffineScheme = {
  kind: "affine",
  bits: 8,
  format: "symmetric",
  axis: "token",
  groupSize: "head",
  blockSize: 1,
  transform: "none",
};

/** Seed of the signs; vLLM draws its own from PyTorch's generator. */
const SIGNS_SEED = 1;

const INT4: AffineScheme = { ...INT8, bits: 4, format: "affine", transform: "hadamard", signs: SIGNS_SEED };

const setting = (label: string, scheme: AffineScheme): StaticSetting =>
  uniformSetting(label, { key: scheme, value: scheme, residency: { kind: "prefix", sinks: 0, recent: 0 } });

/**
 * Codes with scales of each token and KV head. `int8`: the largest magnitude over 127; vLLM stores it in 32 bits, here it takes
 * 16. `int4`: after a Hadamard transform with random signs, the range over 15; vLLM hides a zero point of 4 bits in a scale
 * of 32 bits, here a scale and a minimum take 16 each, and zero need not be a code.
 */
export const vllmIntMethod: Method = {
  name: "vllm-int",
  title: "Integers, as in vLLM",
  source: "https://docs.vllm.ai/en/latest/features/quantization/quantized_kvcache.html",
  settings: [setting("int8_per_token_head", INT8), setting("int4_per_token_head", INT4)],
};
