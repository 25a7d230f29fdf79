import type { CodecFormat } from "./codec-format.ts";

/** Every number as float16. */
export interface Float16Scheme {
  readonly kind: "float16";
}

/** The scheme of tokens kept in 16 bits. */
export const FLOAT16: Float16Scheme = { kind: "float16" };

/** Numbers are rounded on arrival and never coded. */
export const float16Format: CodecFormat<Float16Scheme> = {
  kind: "float16",
  fields: {},
  bits: () => 16,
  blockTokens: () => undefined,
  label: () => "float16",
  layout: (_, { tokens, headSize }) => [{ name: "codes", dtype: "float16", elements: tokens * headSize }],
};
