import { SearchError } from "../search-error.ts";
import { type CostUnits, costUnits } from "./cost-units.ts";
import { extendByMerging } from "./extend-by-merging.ts";
import { extendInCells } from "./extend-in-cells.ts";
import { allocateStates, type States, usefulChoices } from "./states.ts";

/** Costs and losses that add up over genes. */
export interface AdditiveProblem {
  /** Cost [gene][choice], whole multiples of a common unit: bits or bytes. */
  readonly costs: readonly (readonly number[])[];
  /** Loss [gene][choice], any finite numbers with finite sums. */
  readonly losses: readonly (readonly number[])[];
  /**
   * Cost, in the unit of the costs, within which two partial genomes count as equally dear. Without it the front is exact.
   * With it, for each genome of the exact front there is one on the front returned with no more loss, at most
   * genes x resolution dearer. The costs and losses returned are always those of their genomes.
   */
  readonly resolution?: number;
}

/** One point of the front. */
export interface FrontPoint {
  readonly genome: readonly number[];
  readonly cost: number;
  /** Sum of the genes' losses, added in gene order. */
  readonly loss: number;
}

/** A front whose genomes are read out one by one: fronts of a million points stay small in memory. */
export interface FrontTable {
  readonly size: number;
  /** Costs ascend and losses descend strictly. */
  readonly costs: Float64Array;
  readonly losses: Float64Array;
  /** The genome of the point at `index`, 0 <= index < size. */
  genome(index: number): number[];
}

/**
 * The exact Pareto front of a multiple-choice knapsack: of all genomes those that no other beats in summed cost and summed
 * loss, cheapest first, one genome per point. Dynamic programming over genes that keeps only non-dominated partial genomes
 * (Nemhauser and Ullmann, Discrete dynamic programming and capital allocation, 1969).
 * Throws `SEARCH_BAD_COSTS`, `SEARCH_BAD_LOSSES`, `SEARCH_BAD_OPTIONS`.
 */
export const additiveFront = (problem: AdditiveProblem): FrontPoint[] => {
  const table = additiveFrontTable(problem);
  return Array.from(table.costs, (cost, index) => ({ genome: table.genome(index), cost, loss: table.losses[index]! }));
};

/** The same front as `additiveFront`, as columns. */
export const additiveFrontTable = (problem: AdditiveProblem): FrontTable => {
  assertProblem(problem);
  const scale = costUnits(problem.costs);
  const stages = allStages(problem, scale);
  const last = stages.at(-1)!;
  return {
    size: last.size,
    costs: last.costs.map((units) => scale.least + units * scale.unit),
    losses: last.losses,
    genome: (index) => traceBack(stages, index),
  };
};

/** Above this many cost cells a table takes too much memory. */
const MOST_CELLS = 2 ** 22;

/** A table of more cells than this for each state made is mostly empty: merging sorted fronts is faster. */
const MOST_CELLS_PER_STATE = 8;

const allStages = ({ losses, resolution = 0 }: AdditiveProblem, scale: CostUnits): States[] => {
  const width = Math.max(1, Math.floor(resolution / scale.unit));
  const stages: States[] = [];
  let states = allocateStates(1);
  for (const [gene, units] of scale.units.entries()) {
    const choices = usefulChoices(units, losses[gene]!);
    const cells = (states.costs[states.size - 1]! + choices.at(-1)!.units) / width;
    const inCells = cells <= Math.min(MOST_CELLS, MOST_CELLS_PER_STATE * states.size * choices.length);
    states = inCells ? extendInCells(states, choices, width) : extendByMerging(states, choices);
    stages.push(states);
  }
  return stages;
};

const traceBack = (stages: readonly States[], index: number): number[] => {
  const genome: number[] = [];
  let place = index;
  for (const states of stages.toReversed()) {
    genome.push(states.choices[place]!);
    place = states.parents[place]!;
  }
  return genome.toReversed();
};

const assertProblem = ({ costs, losses, resolution = 0 }: AdditiveProblem): void => {
  const sizes = costs.map((row) => row.length);
  if (sizes.length === 0 || sizes.some((size) => size === 0 || size > 65536) || !costs.flat().every(Number.isFinite)) {
    throw new SearchError(
      "SEARCH_BAD_COSTS",
      "expected at least one gene, each with finite costs of 1 to 65536 choices, got others",
    );
  }
  const span = losses.flat().reduce((sum, loss) => sum + Math.abs(loss), 0);
  if (losses.map((row) => row.length).join() !== sizes.join() || !Number.isFinite(span)) {
    throw new SearchError(
      "SEARCH_BAD_LOSSES",
      `expected finite losses with a finite sum for [${sizes.join(", ")}] choices, like the costs, got others`,
    );
  }
  if (!(resolution >= 0)) {
    throw new SearchError("SEARCH_BAD_OPTIONS", `expected a resolution of 0 or more, got ${resolution}`);
  }
};
