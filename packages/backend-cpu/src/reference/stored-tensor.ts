import {
  type Asset,
  blockTokens,
  firstHeld,
  type LayerScheme,
  quantizedPrefix,
  type TensorScheme,
} from "@kvtuner/plan";
import type { EncodedBlock } from "@kvtuner/quantizers";

/** Storage of the keys or values of one layer. */
export interface TensorLayout {
  readonly scheme: TensorScheme;
  /** Its residency says which tokens are coded. */
  readonly layer: LayerScheme;
  readonly kvHeads: number;
  readonly headSize: number;
  /** Tokens that a query reads, its own included; Infinity without a span. */
  readonly span: number;
  /** Those of the plan. */
  readonly assets: readonly Asset[];
}

/** Stored keys, or values, of one layer. */
export interface StoredTensor {
  readonly layout: TensorLayout;
  length: number;
  /** The quantized prefix: the blocks of each KV head that are not dropped, by number, oldest first. */
  readonly blocks: readonly Map<number, EncodedBlock>[];
  /** float16 bits `[kvHeads * headSize]` of every other token that is not dropped, by position. */
  readonly exact: Map<number, Uint16Array>;
}

/** A tensor without tokens. */
export const emptyTensor = (layout: TensorLayout): StoredTensor => ({
  layout,
  length: 0,
  blocks: Array.from({ length: layout.kvHeads }, () => new Map<number, EncodedBlock>()),
  exact: new Map(),
});

/** Tokens of the quantized prefix at a length. */
export const prefixAt = ({ scheme, layer }: TensorLayout, length: number): number =>
  quantizedPrefix(scheme, layer, length);

/** The oldest token held at a length. */
export const firstHeldAt = ({ scheme, layer, span }: TensorLayout, length: number): number =>
  firstHeld(scheme, layer, span, length);

/** Numbers `first .. end - 1` of the blocks held in codes at a length. */
export const blockRange = (layout: TensorLayout, length: number): readonly [first: number, end: number] => {
  const block = blockTokens(layout.scheme);
  const dropped = Math.max(0, firstHeldAt(layout, length) - layout.layer.residency.sinks);
  return [dropped / block, Math.max(dropped, prefixAt(layout, length)) / block];
};

/** Whether a query that sees `length` tokens reads `token` from codes. */
export const isQuantized = (layout: TensorLayout, token: number, length: number): boolean => {
  const { sinks } = layout.layer.residency;
  return token >= sinks && token < sinks + prefixAt(layout, length);
};
