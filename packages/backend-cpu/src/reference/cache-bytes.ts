import type { CacheBytes } from "@kvtuner/plan";
import { bytesByPart } from "../bytes-by-part.ts";
import type { StoredLayer } from "./stored-layer.ts";
import { tensorBytes } from "./tensor-bytes.ts";

/** Bytes of the arrays of all layers, by part. */
export const cacheBytes = (layers: readonly StoredLayer[]): CacheBytes =>
  bytesByPart(layers.map(({ key, value }) => ({ key: tensorBytes(key), value: tensorBytes(value) })));
