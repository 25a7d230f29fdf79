import { type CacheBytes, cacheBytes, sumBytes } from "@kvtuner/plan";
import type { PackedStore } from "./packed-store.ts";

/** Bytes in use of all layers, by part. */
export const storeBytes = ({ layers }: PackedStore): CacheBytes =>
  sumBytes(layers.map(({ key, value, length }) => cacheBytes(key.bytes(length), value.bytes(length))));
