import { type Asset, type LayerScheme, quantizedPrefix, type TensorScheme } from "@kvtuner/plan";
import type { EncodedBlock } from "@kvtuner/quantizers";

/** Storage of the keys or values of one layer. */
export interface TensorLayout {
  readonly scheme: TensorScheme;
  /** Its residency says which tokens are coded. */
  readonly layer: LayerScheme;
  readonly kvHeads: number;
  readonly headSize: number;
  /** Those of the plan. */
  readonly assets: readonly Asset[];
}

/** Stored keys, or values, of one layer. */
export interface StoredTensor {
  readonly layout: TensorLayout;
  length: number;
  /** The quantized prefix: consecutive blocks of each KV head. */
  readonly blocks: readonly EncodedBlock[][];
  /** float16 bits `[kvHeads * headSize]` of every other token, by position. */
  readonly exact: Map<number, Uint16Array>;
}

/** A tensor without tokens. */
export const emptyTensor = (layout: TensorLayout): StoredTensor => ({
  layout,
  length: 0,
  blocks: Array.from({ length: layout.kvHeads }, () => []),
  exact: new Map(),
});

/** Tokens of the quantized prefix at a length. */
export const prefixAt = ({ scheme, layer }: TensorLayout, length: number): number =>
  quantizedPrefix(scheme, layer, length);

/** Whether a query that sees `length` tokens reads `token` from codes. */
export const isQuantized = (layout: TensorLayout, token: number, length: number): boolean => {
  const { sinks } = layout.layer.residency;
  return token >= sinks && token < sinks + prefixAt(layout, length);
};
