import { assetBytes, type CacheBytes, type Plan, storedNumbers } from "@kvtuner/plan";
import type { KvCache } from "./backend.ts";

/** Size of a cache. */
export interface CacheReport {
  readonly cache: {
    /** Tokens held. */
    readonly tokens: number;
    /** Bytes in use, by part. */
    readonly bytes: CacheBytes;
    /** Bytes of the same tokens in 16 bits. */
    readonly bytes16: number;
    /** Mean bits per stored number, with everything counted; 16 for an empty cache. */
    readonly bits: number;
    /** Bytes of the plan's static tables, which `bytes` leaves out; absent without any. */
    readonly assetBytes?: number;
  };
}

/** Counts the bytes of a cache, and of the assets of its plan where it has any. */
export const cacheReport = (
  cache: Pick<KvCache, "bytes" | "length" | "shape">,
  plan: Pick<Plan, "assets"> = {},
): CacheReport => {
  const bytes = cache.bytes();
  const bytes16 = 2 * storedNumbers(cache.shape, cache.length);
  const bits = bytes16 === 0 ? 16 : (16 * bytes.total) / bytes16;
  const assets = plan.assets && { assetBytes: assetBytes(plan) };
  return { cache: { tokens: cache.length, bytes, bytes16, bits, ...assets } };
};
