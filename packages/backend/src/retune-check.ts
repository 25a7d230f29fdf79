import { firstHeld, KvtunerError, layerShape, layerSpan, planBytes } from "@kvtuner/plan";
import type { CachePlan } from "./backend.ts";

/**
 * Checks that `next` takes no more bytes than `current` at this length. Support is checked by `assertPlanSupported`.
 *
 * @throws RetuneError `BACKEND_RETUNE_FINER`
 */
export const assertCoarser = (current: CachePlan, next: CachePlan, length: number): void => {
  const [before, after] = [planBytes(current, length).total, planBytes(next, length).total];
  if (after <= before) return;
  throw new RetuneError(
    "BACKEND_RETUNE_FINER",
    `expected a plan of at most ${before} bytes at ${length} tokens, got one of ${after}; retune to a coarser plan, or create a new cache`,
  );
};

/**
 * Checks that no token was dropped. A layer with a span has dropped tokens that blocks of another size would begin with.
 *
 * @throws RetuneError `BACKEND_RETUNE_DROPPED`
 */
export const assertComplete = (plan: CachePlan, length: number): void => {
  for (const [layer, scheme] of plan.layers.entries()) {
    const span = layerSpan(layerShape(plan.shape, layer));
    const first = Math.max(...[scheme.key, scheme.value].map((tensor) => firstHeld(tensor, scheme, span, length)));
    if (first > 0)
      throw new RetuneError(
        "BACKEND_RETUNE_DROPPED",
        `expected a cache that holds all its tokens, got one whose layer ${layer}, with span ${span}, has dropped those before ${first}; create a cache with the new plan and append the tokens again`,
      );
  }
};

/** A plan that the cache cannot be stored under; `code` says why. Lost precision cannot be restored, nor can lost tokens. */
export class RetuneError extends KvtunerError {
  override readonly name = "RetuneError";
}
