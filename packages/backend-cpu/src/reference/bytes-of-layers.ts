import { cacheBytes, type CacheBytes, sumBytes } from "@kvtuner/plan";
import type { StoredLayer } from "./stored-layer.ts";
import { tensorBytes } from "./tensor-bytes.ts";

/** Bytes of the arrays of all layers, by part. */
export const bytesOfLayers = (layers: readonly StoredLayer[]): CacheBytes =>
  sumBytes(layers.map(({ key, value }) => cacheBytes(tensorBytes(key), tensorBytes(value))));
