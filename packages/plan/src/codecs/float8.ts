import type { CodecFormat } from "./codec-format.ts";

/** 8-bit floating-point numbers that share a scale, as vLLM and TensorRT-LLM store caches. */
export interface Float8Scheme {
  readonly kind: "float8";
  /** Exponent and mantissa bits. e4m3 has no infinity and reaches 448; e5m2 reaches 57344. */
  readonly format: "e4m3" | "e5m2";
  /** What one scale covers: all heads, one KV head, or one token of a KV head. */
  readonly scope: "tensor" | "head" | "token";
  /**
   * `dynamic` fits a scale to each full block of a head. Numbers are fixed scales: one, or one per KV head. Heads are encoded
   * one by one, so scope `tensor` takes only a fixed scale.
   */
  readonly scales: "dynamic" | readonly number[];
  /** Tokens encoded together. */
  readonly blockSize: number;
}

/** One-byte codes. Dynamic scales are stored beside them in float16, fixed ones in the scheme. */
export const float8Format: CodecFormat<Float8Scheme> = {
  kind: "float8",
  fields: {
    format: ["e4m3", "e5m2"],
    scope: ["tensor", "head", "token"],
    scales: ["dynamic", "numbers"],
    blockSize: ["count"],
  },
  bits: () => 8,
  blockTokens: ({ blockSize }) => blockSize,
  label: ({ format, scope, scales, blockSize }) =>
    `float8 ${format}, ${scales === "dynamic" ? "dynamic" : "fixed"} scales per ${scope}, block ${blockSize}`,
  layout: (scheme, { tokens, headSize }) => [
    { name: "codes", dtype: "uint8", elements: tokens * headSize },
    { name: "scales", dtype: "float16", elements: dynamicScales(scheme, tokens) },
  ],
  fault: ({ scope, scales }, { kvHeads }) => {
    if (scales === "dynamic")
      return scope === "tensor" ? "with dynamic scales to have scope head or token, got tensor" : undefined;
    const wanted = { tensor: 1, head: kvHeads, token: 0 }[scope];
    if (wanted === 0) return "with scope token to have dynamic scales, got numbers";
    if (scales.length !== wanted) return `to have ${wanted} scales of scope ${scope}, got ${scales.length}`;
    return scales.every((scale) => scale > 0) ? undefined : `to have scales above 0, got ${scales.join(", ")}`;
  },
  ofHead: (scheme, head) =>
    scheme.scope === "head" && scheme.scales !== "dynamic"
      ? { ...scheme, scope: "tensor", scales: [scheme.scales[head]!] }
      : scheme,
};

const dynamicScales = ({ scope, scales, blockSize }: Float8Scheme, tokens: number): number => {
  if (scales !== "dynamic") return 0;
  return scope === "token" ? tokens : Math.ceil(tokens / blockSize);
};
