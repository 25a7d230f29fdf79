import { type CacheShape, layerShape } from "@kvtuner/plan";
import { roundArrayToFloat16 } from "@kvtuner/quantizers";
import type { CachePlan } from "../../backend.ts";

/**
 * The suite's reference cache: every appended row, in float16 numbers `[kvHeads * headSize]`. Each use computes codes, recent
 * tokens and prefixes anew from these rows, so no stale state can hide a mistake.
 */
export interface OracleCache {
  readonly shape: CacheShape;
  readonly plan: CachePlan;
  readonly layers: readonly OracleLayer[];
}

/** Rows of one layer, one per token. Rows are never changed, only replaced. */
export interface OracleLayer {
  readonly key: readonly Float32Array[];
  readonly value: readonly Float32Array[];
}

/** A cache without tokens. */
export const emptyOracle = (shape: CacheShape, plan: CachePlan): OracleCache => ({
  shape,
  plan,
  layers: plan.layers.map(() => ({ key: [], value: [] })),
});

/** The cache with the rows of a call, float32 `[tokens, kvHeads * headSize]`, appended to one layer. */
export const appended = (cache: OracleCache, layer: number, key: Float32Array, value: Float32Array): OracleCache => {
  const old = cache.layers[layer]!;
  const { kvHeads, headSize, valueSize = headSize } = layerShape(cache.shape, layer);
  return withLayer(cache, layer, {
    key: [...old.key, ...roundedRows(key, kvHeads * headSize)],
    value: [...old.value, ...roundedRows(value, kvHeads * valueSize)],
  });
};

/** The cache with one layer replaced. */
export const withLayer = (cache: OracleCache, layer: number, replacement: OracleLayer): OracleCache => ({
  ...cache,
  layers: cache.layers.map((old, index) => (index === layer ? replacement : old)),
});

const roundedRows = (data: Float32Array, width: number): Float32Array[] => {
  const rounded = new Float32Array(data.length);
  roundArrayToFloat16(data, rounded);
  return Array.from({ length: data.length / width }, (_, row) => rounded.slice(row * width, (row + 1) * width));
};

/** Tokens that every layer holds. */
export const oracleLength = ({ layers }: OracleCache): number => layers.at(-1)!.key.length;
