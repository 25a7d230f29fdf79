import { additiveFrontTable } from "@kvtuner/search";

import { focusOf, type Limit } from "./limit.ts";
import type { Measurer } from "./measurer.ts";
import type { SearchInputs } from "./search.ts";
import type { SearchSpace } from "./space.ts";

/** Plans that differ less in bytes than this share of the range are not told apart. */
const RESOLUTION = 1 / 65536;

/**
 * The search spreads its evaluations; a user with a budget wants the best plan within it, also of a study whose search
 * is done. So the additive surrogate's best plan within the limit is evaluated too, unless it was, where the limit is one of cost.
 */
export const evaluateWithin = async (inputs: SearchInputs, limit: Limit, measurer: Measurer): Promise<void> => {
  const allowed = allowedOf(limit, inputs.space);
  if (allowed !== undefined) await measurer.evaluate([bestWithin(inputs, allowed)], ONE);
};

/** What a plan may cost, summed over layers. */
interface Allowed {
  /** Of one layer, by pair. */
  readonly costs: readonly number[];
  readonly most: number;
}

const allowedOf = (limit: Limit, space: SearchSpace): Allowed | undefined => {
  if (limit.kind === "equivalent-bits")
    return { costs: space.codeBits, most: 2 * space.shape.layers * limit.bits + ROUNDING };
  const most = focusOf(limit, space);
  return most === undefined ? undefined : { costs: space.layerBytes, most };
};

/** 3.2 bits over ten layers are 64, and a little more or less in binary. */
const ROUNDING = 1e-9;

const ONE = { done: 0, total: 1 };

/** Evaluates the largest pair in every layer: the plan most likely to lose as little as a user allows. */
export const evaluateBest = async (space: SearchSpace, measurer: Measurer): Promise<void> => {
  const largest = space.layerBytes.indexOf(Math.max(...space.layerBytes));
  await measurer.evaluate([Array<number>(space.shape.layers).fill(largest)], ONE);
};

/** Pair indices by layer. */
const bestWithin = ({ candidates, losses }: SearchInputs, { costs: byPair, most }: Allowed): number[] => {
  const costs = candidates.map((pairs) => pairs.map((pair) => byPair[pair] ?? 0));
  const range = costs.reduce((sum, row) => sum + Math.max(...row) - Math.min(...row), 0);
  const front = additiveFrontTable({
    costs,
    losses: candidates.map((pairs, layer) => pairs.map((pair) => Math.max(0, losses[layer]?.[pair] ?? 0))),
    resolution: range * RESOLUTION,
  });
  const genome = front.genome(
    Math.max(
      0,
      front.costs.findLastIndex((cost) => cost <= most),
    ),
  );
  return candidates.map((pairs, layer) => pairs[genome[layer] ?? 0] ?? 0);
};
