import type { CachePlan, CallRows } from "@kvtuner/backend";
import { type AttentionSpec, layerShape, type LayerShape, layerSpan } from "@kvtuner/plan";
import { commitPending, encodePending } from "./append-rows.ts";
import { attention } from "./attention.ts";
import { createRowReader } from "./read-rows.ts";
import { rowsToFloat16 } from "./rows.ts";
import type { StoredTensor, TensorLayout } from "./stored-tensor.ts";
import { decodedForTruncation, truncateTensor } from "./truncate-rows.ts";

/** One layer's cache. */
export interface StoredLayer {
  readonly key: StoredTensor;
  readonly value: StoredTensor;
}

/** A layer of a plan, its keys and values made from their layouts. */
export const layerOf = (
  { layers, shape, assets = [] }: CachePlan,
  index: number,
  make: (layout: TensorLayout, tensor: "key" | "value") => StoredTensor,
): StoredLayer => {
  const layer = layers[index]!;
  const own = layerShape(shape, index);
  const common = { layer, kvHeads: own.kvHeads, headSize: own.headSize, span: layerSpan(own), assets };
  return {
    key: make({ ...common, scheme: layer.key }, "key"),
    value: make({ ...common, scheme: layer.value }, "value"),
  };
};

/** Appends and attends. Does everything that can fail before it changes the layer. */
export const attendLayer = (
  layer: StoredLayer,
  shape: LayerShape,
  spec: AttentionSpec,
  call: CallRows,
): Float32Array => {
  const { tokens, query } = call;
  const key = encodePending(layer.key, rowsToFloat16(call.key, tokens));
  const value = encodePending(layer.value, rowsToFloat16(call.value, tokens));
  const readers = { key: createRowReader(layer.key, key), value: createRowReader(layer.value, value) };
  const output = attention(shape, { spec, layer: layer.key.layout.layer }, query, layer.key.length, readers);
  commitPending(layer.key, key);
  commitPending(layer.value, value);
  return output;
};

/** Rows that return to 16 bits when a layer is truncated, by position. */
export interface TruncatedRows {
  readonly key: ReadonlyMap<number, Uint16Array>;
  readonly value: ReadonlyMap<number, Uint16Array>;
}

/** Decodes the rows that must be exact at `length`. Changes nothing. */
export const truncatedRows = ({ key, value }: StoredLayer, length: number): TruncatedRows => ({
  key: decodedForTruncation(key, length),
  value: decodedForTruncation(value, length),
});

/** Drops the tokens of a layer from `length` on. */
export const truncateLayer = ({ key, value }: StoredLayer, length: number, rows: TruncatedRows): void => {
  truncateTensor(key, length, rows.key);
  truncateTensor(value, length, rows.value);
};
