import { firstHeld, layerSpan } from "@kvtuner/plan";
import { float16FromNumber } from "@kvtuner/quantizers";
import type { CacheImage, HeadImage } from "../../snapshot/cache-image.ts";
import { encodedPrefix, headRows, quantizedRange, type StoredRows } from "./decoded-rows.ts";
import { storedRows } from "./expected-output.ts";
import { type OracleCache, oracleLength } from "./oracle-cache.ts";

/** Expected contents of a snapshot of the cache. */
export const oracleImage = (cache: OracleCache): CacheImage => ({
  shape: cache.shape,
  layers: cache.plan.layers,
  assets: cache.plan.assets ?? [],
  length: oracleLength(cache),
  tensors: cache.layers.map((_, layer) => ({
    key: headImages(storedRows(cache, layer, "key")),
    value: headImages(storedRows(cache, layer, "value")),
  })),
});

const headImages = (stored: StoredRows): HeadImage[] => {
  const { kvHeads, headSize } = stored.shape;
  const [first, end] = quantizedRange(stored, stored.rows.length);
  const oldest = firstHeld(stored.scheme, stored.layer, layerSpan(stored.shape), stored.rows.length);
  const exact = stored.rows.filter((_, token) => token >= oldest && (token < first || token >= end));
  return Array.from({ length: kvHeads }, (_, head) => ({
    prefix: encodedPrefix(stored, head),
    exact: Uint16Array.from(headRows(exact, head, headSize), float16FromNumber),
  }));
};
