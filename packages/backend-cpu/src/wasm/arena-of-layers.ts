import type { CacheLimits, CachePlan } from "@kvtuner/backend";
import { layerBytes, layerShape, planBytes } from "@kvtuner/plan";

/** Maximum bytes of an arena's layers; the rest of its 4 GiB is for tables, padding and scratch. */
const ARENA_BYTES = 3.5 * 2 ** 30;

/**
 * The arena number of each layer. Neighbours share an arena if it can hold all of them at the largest length that the
 * limits allow for this plan. A layer that would overfill an arena has one of its own.
 */
export const arenaOfLayers = (plan: CachePlan, limits: CacheLimits): number[] => {
  const tokens = mostTokens(plan, limits);
  let [arena, heldBytes] = [0, 0];
  return plan.layers.map((layer, index) => {
    const sizeBytes = layerBytes(layer, layerShape(plan.shape, index), tokens).total;
    if (heldBytes > 0 && heldBytes + sizeBytes > ARENA_BYTES) [arena, heldBytes] = [arena + 1, 0];
    heldBytes += sizeBytes;
    return arena;
  });
};

/** By bisection, to within a few tokens: bytes fall slightly whenever a block becomes full. */
const mostTokens = (plan: CachePlan, { maxTokens, maxCacheBytes }: CacheLimits): number => {
  let [fits, tooMany] = [0, maxTokens + 1];
  while (tooMany - fits > 1) {
    const middle = Math.floor((fits + tooMany) / 2);
    if (planBytes(plan, middle).total <= maxCacheBytes) fits = middle;
    else tooMany = middle;
  }
  return fits;
};
