import {
  type CacheShape,
  layoutOf,
  type LayerScheme,
  partBytes,
  quantizedPrefix,
  type TensorScheme,
} from "@kvtuner/plan";

/** Lengths of the arrays of one {@link HeadImage}. */
export interface HeadSizes {
  readonly codes: number;
  readonly scales: number;
  readonly minima: number;
  readonly exact: number;
  /** Of all arrays together. */
  readonly sizeBytes: number;
}

/** Lengths of the arrays of one head at `length` tokens. Takes no memory, whatever the length. */
export const headSizes = (
  scheme: TensorScheme,
  layer: LayerScheme,
  { headSize }: CacheShape,
  length: number,
): HeadSizes => {
  const prefix = quantizedPrefix(scheme, layer, length);
  const sizes = { codes: 0, scales: 0, minima: 0, exact: (length - prefix) * headSize };
  let sizeBytes = 2 * sizes.exact;
  if (prefix > 0)
    for (const part of layoutOf(scheme, { tokens: prefix, headSize })) {
      sizes[part.name] = part.elements;
      sizeBytes += partBytes(part);
    }
  return { ...sizes, sizeBytes };
};
