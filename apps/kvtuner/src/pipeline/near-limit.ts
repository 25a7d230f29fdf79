import { additiveFrontTable } from "@kvtuner/search";

import { evaluateMissing, knownEntries, type SearchInputs, type SearchResources } from "./search.ts";
import type { SearchSpace } from "./space.ts";

/** Plans that differ less in bytes than this share of the range are not told apart. */
const RESOLUTION = 1 / 65536;

/**
 * The search spreads its evaluations; a user with a budget wants the best plan within it, also of a study whose search
 * is done. So the additive surrogate's best plan of at most `focus` bytes is evaluated too, unless it was.
 */
export const evaluateWithin = async (
  inputs: SearchInputs,
  focus: number,
  resources: SearchResources,
): Promise<void> => {
  await evaluateOne(inputs.space, bestWithin(inputs, focus), resources);
};

/** Evaluates the largest pair in every layer: the plan most likely to lose as little as a user allows. */
export const evaluateBest = async (space: SearchSpace, resources: SearchResources): Promise<void> => {
  const largest = space.layerBytes.indexOf(Math.max(...space.layerBytes));
  await evaluateOne(space, Array<number>(space.shape.layers).fill(largest), resources);
};

const evaluateOne = async (
  space: SearchSpace,
  choice: readonly number[],
  resources: SearchResources,
): Promise<void> => {
  const place = { resources, done: 0, total: 1 };
  await evaluateMissing(space, [choice], knownEntries(resources.journal), place);
};

/** Pair indices by layer. */
const bestWithin = ({ space, candidates, losses }: SearchInputs, focus: number): number[] => {
  const costs = candidates.map((pairs) => pairs.map((pair) => space.layerBytes[pair] ?? 0));
  const range = costs.reduce((sum, row) => sum + Math.max(...row) - Math.min(...row), 0);
  const front = additiveFrontTable({
    costs,
    losses: candidates.map((pairs, layer) => pairs.map((pair) => Math.max(0, losses[layer]?.[pair] ?? 0))),
    resolution: range * RESOLUTION,
  });
  const genome = front.genome(
    Math.max(
      0,
      front.costs.findLastIndex((cost) => cost <= focus),
    ),
  );
  return candidates.map((pairs, layer) => pairs[genome[layer] ?? 0] ?? 0);
};
