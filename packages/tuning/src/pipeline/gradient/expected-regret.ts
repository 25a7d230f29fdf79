import { randomFromSeed } from "@kvtuner/search";
import type { SearchSpace } from "../../space/space.ts";
import { choiceLosses, frontOf, plansOf, type LossesByLayer } from "./half-losses.ts";

/** Plans of the estimated front whose losses are compared. */
const PLANS = 16;

/** Draws of what the losses may be. */
const WORLDS = 16;

/**
 * How much more the plans that estimates choose are expected to lose than the best plans of equal cost, on average over costs: 0.1 is
 * 10%. Each draw gives every estimate a log-normal factor of a spread, half of its variance common to a layer; measured halves keep
 * their loss.
 */
export const expectedRegret = (space: SearchSpace, losses: LossesByLayer, spread: number): number => {
  if (spread === 0) return 0;
  const plans = plansOf(frontOf(space, choiceLosses(space, losses)), PLANS);
  const random = randomFromSeed(0);
  const factors = (): LossesByLayer =>
    losses.map((own) => {
      const common = random.normal();
      return own.map((half) => {
        const factor = Math.exp(spread * Math.SQRT1_2 * (common + random.normal()));
        return { ...half, estimate: half.estimate * factor };
      });
    });
  const ratios = Array.from({ length: WORLDS }, () => regretsIn(space, choiceLosses(space, factors()), plans)).flat();
  return ratios.length === 0 ? 0 : ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length - 1;
};

/** Loss of each plan over the least loss of equal cost. */
const regretsIn = (
  space: SearchSpace,
  losses: readonly (readonly number[])[],
  plans: readonly (readonly number[])[],
): number[] => {
  const front = frontOf(space, losses);
  const sum = (table: readonly (readonly number[])[], plan: readonly number[]): number =>
    plan.reduce((total, choice, layer) => total + table[layer]![choice]!, 0);
  return plans.flatMap((plan) => {
    const cost = sum(space.costs, plan);
    const best = front.losses[front.costs.findLastIndex((known) => known <= cost)];
    return best === undefined || best <= 0 ? [] : [Math.max(1, sum(losses, plan) / best)];
  });
};
