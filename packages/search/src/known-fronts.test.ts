import { describe, expect, test } from "vitest";
import { additiveFront } from "./additive-front/additive-front.ts";
import type { AskTell, Evaluation, Genome } from "./ask-tell.ts";
import { hypervolume } from "./hypervolume.ts";
import { createMoeaD } from "./moead/moead.ts";
import { createNsga2 } from "./nsga2/nsga2.ts";
import type { PopulationOptions } from "./population-options.ts";

type Create = (options: PopulationOptions) => AskTell;

type Objectives = (genome: Genome) => [number, number];

/** Share of an exact front's hypervolume that a search of some generations reaches. */
const shareReached = (
  create: Create,
  options: PopulationOptions,
  generations: number,
  objectives: Objectives,
  exact: { points: number[][]; reference: [number, number] },
): number => {
  const search = create(options);
  const points: number[][] = [];
  let told: Evaluation[] = [];
  for (let generation = 0; generation < generations; generation++) {
    search.tell(told);
    told = search.ask().map((genome) => ({ genome, objectives: objectives(genome) }));
    points.push(...told.map((evaluation) => [...evaluation.objectives]));
  }
  return hypervolume(points, exact.reference) / hypervolume(exact.points, exact.reference);
};

const cases = [1, 2, 3].flatMap((seed): [string, number, Create][] => [
  ["NSGA-II", seed, createNsga2],
  ["MOEA/D", seed, createMoeaD],
]);

/**
 * ZDT1 (Zitzler, Deb and Thiele, Comparison of multiobjective evolutionary algorithms, 2000) on genes of whole steps: its
 * front is where all genes but the first are 0.
 */
describe("ZDT1 in steps", () => {
  const [genes, steps] = [10, 30];
  const zdt1: Objectives = (genome) => {
    const [first = 0, ...others] = genome.map((choice) => choice / steps);
    const g = 1 + (9 * others.reduce((sum, x) => sum + x, 0)) / others.length;
    return [first, g * (1 - Math.sqrt(first / g))];
  };
  const choices = Array<number>(genes).fill(steps + 1);
  const front = Array.from({ length: steps + 1 }, (_, first) =>
    zdt1(choices.map((_, gene) => (gene === 0 ? first : 0))),
  );

  test.each(cases)("is reached to 95 percent by %s with seed %i", (_, seed, create) => {
    const options = { choices, objectives: 2, populationSize: 40, seed };
    const exact = { points: front, reference: [1.1, 1.1] as [number, number] };
    expect(shareReached(create, options, 80, zdt1, exact)).toBeGreaterThan(0.95);
    // What random genomes reach says that the bound above means something.
    expect(shareReached(createNsga2, { ...options, populationSize: 3200 }, 1, zdt1, exact)).toBeLessThan(0.5);
  });
});

/** 16 items of given weight and value: carry little weight, leave little value behind. */
describe("a knapsack", () => {
  const weights = [23, 31, 29, 44, 53, 38, 63, 85, 89, 82, 17, 71, 12, 67, 95, 41];
  const values = [92, 57, 49, 68, 60, 43, 67, 84, 87, 72, 25, 15, 31, 88, 40, 59];
  const costs = weights.map((weight) => [0, weight]);
  const losses = values.map((value) => [value, 0]);
  const exact = additiveFront({ costs, losses });
  const knapsack: Objectives = (genome) => [
    genome.reduce((sum, choice, item) => sum + losses[item]![choice]!, 0),
    genome.reduce((sum, choice, item) => sum + costs[item]![choice]!, 0),
  ];

  test.each(cases)("is reached to 95 percent by %s with seed %i, its exact front never beaten", (_, seed, create) => {
    const options = { choices: costs.map(() => 2), objectives: 2, populationSize: 40, seed };
    const points = exact.map(({ cost, loss }) => [loss, cost]);
    const share = shareReached(create, options, 25, knapsack, { points, reference: [1000, 1000] });
    expect(share).toBeGreaterThan(0.95);
    expect(share).toBeLessThanOrEqual(1);
  });
});
