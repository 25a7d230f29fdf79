import type { CachePlan, CallRows, SharedRows } from "@kvtuner/backend";
import { type AttentionSpec, layerShape, type LayerShape, layerSpan, tensorShape } from "@kvtuner/plan";
import { commitPending, encodePending, releaseRows } from "./append-rows.ts";
import { attention } from "./attention.ts";
import { createRowReader, NO_ROWS } from "./read-rows.ts";
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
  const layoutOf = (tensor: "key" | "value"): TensorLayout => {
    const { kvHeads, headSize } = tensorShape(own, tensor);
    return { layer, scheme: layer[tensor], kvHeads, headSize, span: layerSpan(own), assets };
  };
  return { key: make(layoutOf("key"), "key"), value: make(layoutOf("value"), "value") };
};

/** Appends and attends. Does everything that can fail before it changes the layer. Call {@link releaseLayer} afterwards. */
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

/** Attends for the newest tokens of a layer as another one that shares its cache, described by `shape` and `spec`. */
export const readLayer = (
  { key, value }: StoredLayer,
  shape: LayerShape,
  spec: AttentionSpec,
  { tokens, query }: SharedRows,
): Float32Array => {
  const readers = { key: createRowReader(key, NO_ROWS), value: createRowReader(value, NO_ROWS) };
  return attention(shape, { spec, layer: key.layout.layer }, query, key.length - tokens, readers);
};

/** Leaves each token in one form, and drops what no later query reads. */
export const releaseLayer = ({ key, value }: StoredLayer): void => {
  releaseRows(key);
  releaseRows(value);
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
  releaseLayer({ key, value });
};
