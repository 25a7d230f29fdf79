import { blockTokens, type TensorScheme } from "./codecs/registry.ts";
import { quantizedPrefix } from "./prefix.ts";
import type { LayerScheme } from "./scheme.ts";

/** Tokens of a tensor that a cache holds: `first` and all after it. */
export interface HeldTokens {
  readonly first: number;
  readonly coded: number;
  /** Tokens in 16 bits. */
  readonly exact: number;
}

/**
 * The oldest token of a tensor that a cache of `length` tokens holds. The next query, at position `length`, reads itself and
 * the `span - 1` tokens before it; older tokens are never read again. Sinks are dropped one by one. The tokens after them are
 * dropped in whole blocks, whether coded or not, because a block is encoded from all its tokens.
 */
export const firstHeld = (
  tensor: TensorScheme,
  { residency: { sinks } }: Pick<LayerScheme, "residency">,
  span: number,
  length: number,
): number => {
  const firstRead = Math.max(0, length + 1 - span);
  if (firstRead <= sinks) return firstRead;
  const block = blockTokens(tensor);
  return sinks + block * Math.floor((firstRead - sinks) / block);
};

/** Tokens of a tensor that a cache of `length` tokens holds; all of them if the span is Infinity. */
export const heldTokens = (
  tensor: TensorScheme,
  layer: Pick<LayerScheme, "residency">,
  span: number,
  length: number,
): HeldTokens => {
  const { sinks } = layer.residency;
  const first = firstHeld(tensor, layer, span, length);
  const coded = Math.max(0, sinks + quantizedPrefix(tensor, layer, length) - Math.max(first, sinks));
  return { first, coded, exact: length - first - coded };
};
