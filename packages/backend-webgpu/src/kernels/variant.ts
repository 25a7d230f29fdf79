/** Options of the attention kernels. */
export interface Variant {
  /** One kernel per pair of formats, with unrolled loops and nothing for other formats. */
  readonly specialized: boolean;
  /** Unpacks 16-bit numbers with the adapter's own float16. */
  readonly float16: boolean;
  /** Finds the largest score of a tile with subgroups. */
  readonly subgroups: boolean;
  /** Scores of keys per token as dot products of packed codes (WGSL feature `packed_4x8_integer_dot_product`). */
  readonly packed: boolean;
}

/** One kernel per head size, which runs on every adapter. */
export const PLAIN: Variant = { specialized: false, float16: false, subgroups: false, packed: false };

/** Name of a variant, such as "f16-subgroups". */
export const variantName = ({ specialized, float16, subgroups, packed }: Variant): string =>
  [
    float16 ? "f16" : "f32",
    ...(subgroups ? ["subgroups"] : []),
    ...(packed ? ["packed"] : []),
    ...(specialized ? ["specialized"] : []),
  ].join("-");
