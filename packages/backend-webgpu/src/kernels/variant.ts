/** How the attention kernels are built. */
export interface Variant {
  /** A kernel for each pair of formats instead of one for all: loops are unrolled, and what is for others is left out. */
  readonly specialized: boolean;
  /** Numbers of 16 bits are unpacked in the adapter's own float16. */
  readonly float16: boolean;
  /** The largest score of a tile is found by subgroups. */
  readonly subgroups: boolean;
  /** Scores of keys per token are dot products of packed codes (the WGSL feature `packed_4x8_integer_dot_product`). */
  readonly packed: boolean;
}

/** One kernel for every head size, on what every adapter has. */
export const PLAIN: Variant = { specialized: false, float16: false, subgroups: false, packed: false };

/** Short name of a variant. */
export const variantName = ({ specialized, float16, subgroups, packed }: Variant): string =>
  [
    float16 ? "f16" : "f32",
    ...(subgroups ? ["subgroups"] : []),
    ...(packed ? ["packed"] : []),
    ...(specialized ? ["specialized"] : []),
  ].join("-");
