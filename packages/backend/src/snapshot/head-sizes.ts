import {
  type AffineScheme,
  type CacheShape,
  type LayerScheme,
  quantizedPrefix,
  type TensorScheme,
} from "@kvtuner/plan";
import { encodedBytes } from "@kvtuner/quantizers";

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
  if (scheme.kind === "float16" || prefix === 0) {
    const exact = length * headSize;
    return { codes: 0, scales: 0, minima: 0, exact, sizeBytes: 2 * exact };
  }
  const rows = scheme.axis === "token" ? prefix : (headSize * prefix) / (scheme.groupSize as number);
  const groups = rows * groupsInRow(scheme, headSize);
  const minima = scheme.format === "affine" ? groups : 0;
  const codes = (prefix / unitTokens(scheme)) * unitCodeBytes(scheme, headSize);
  const exact = (length - prefix) * headSize;
  return { codes, scales: groups, minima, exact, sizeBytes: codes + 2 * (groups + minima + exact) };
};

const groupsInRow = ({ axis, groupSize }: AffineScheme, headSize: number): number =>
  axis === "channel" || groupSize === "head" ? 1 : Math.ceil(headSize / groupSize);

/** Tokens whose rows are complete in themselves. */
const unitTokens = ({ axis, groupSize }: AffineScheme): number => (axis === "token" ? 1 : (groupSize as number));

const unitCodeBytes = (scheme: AffineScheme, headSize: number): number => {
  const groups = groupsInRow(scheme, headSize) * (scheme.axis === "token" ? 1 : headSize);
  return encodedBytes(unitTokens(scheme), headSize, scheme) - 2 * groups * (scheme.format === "affine" ? 2 : 1);
};
