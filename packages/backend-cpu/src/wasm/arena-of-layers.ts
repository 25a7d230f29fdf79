import type { CacheLimits, CachePlan } from "@kvtuner/backend";
import { layerBytes, planBytes } from "@kvtuner/plan";

/** Maximum bytes of an arena's layers; the rest of its 4 GiB is for tables, padding and scratch. */
const ARENA_BYTES = 3.5 * 2 ** 30;

/**
 * For each layer the number of its arena: neighbours share one as long as it holds them at the most tokens that the limits
 * let a cache of this plan have. A layer that would fill more than an arena has one of its own.
 */
export const arenaOfLayers = (plan: CachePlan, limits: CacheLimits): number[] => {
  const tokens = mostTokens(plan, limits);
  let [arena, heldBytes] = [0, 0];
  return plan.layers.map((layer) => {
    const sizeBytes = layerBytes(layer, plan.shape, tokens).total;
    if (heldBytes > 0 && heldBytes + sizeBytes > ARENA_BYTES) [arena, heldBytes] = [arena + 1, 0];
    heldBytes += sizeBytes;
    return arena;
  });
};

/** By bisection: a few tokens more or less, for bytes fall a little where a block becomes full. */
const mostTokens = (plan: CachePlan, { maxTokens, maxCacheBytes }: CacheLimits): number => {
  let [fits, tooMany] = [0, maxTokens + 1];
  while (tooMany - fits > 1) {
    const middle = Math.floor((fits + tooMany) / 2);
    if (planBytes(plan, middle).total <= maxCacheBytes) fits = middle;
    else tooMany = middle;
  }
  return fits;
};
