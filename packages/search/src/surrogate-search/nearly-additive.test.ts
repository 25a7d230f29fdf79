import { describe, expect, test } from "vitest";
import { additiveFrontTable } from "../additive-front/additive-front.ts";
import type { AskTell, Genome } from "../ask-tell.ts";
import { hypervolume } from "../hypervolume.ts";
import { createNsga2 } from "../nsga2/nsga2.ts";
import { createSurrogateSearch } from "./surrogate-search.ts";

/*
 * Thirty layers of five schemes each. Losses nearly add up: neighbouring layers feed on each other's errors or cancel
 * them, and large sums saturate. Sensitivities of layers spread over two decades. Plain arithmetic throughout.
 */
const GENES = 30;
const bits = [8, 6, 4, 3, 2];
const lossOfBits = [0.0001, 0.001, 0.01, 0.05, 0.4];
const sensitivities = Array.from(
  { length: GENES },
  (_, gene) => [1, 2, 4, 10, 25, 60, 100][(gene * 11 + 3) % 7]! / 100,
);
const coupling = Array.from({ length: GENES }, (_, gene) => (((gene * 7) % 11) - 4) / 10);
const costs = Array.from({ length: GENES }, () => bits);
const choices = costs.map((row) => row.length);

const trueLoss = (genome: Genome): number => {
  const parts = genome.map((choice, gene) => lossOfBits[choice]! * sensitivities[gene]!);
  const pairs = parts.slice(1).map((part, gene) => coupling[gene]! * Math.sqrt(part * parts[gene]!));
  const sum = [...parts, ...pairs].reduce((a, b) => a + b, 0);
  return sum / (1 + sum / 4);
};

/** What a profile measures: one layer alone, up to twice too low or too high for what it does among others. */
const bias = Array.from({ length: GENES }, (_, gene) => [0.5, 0.7, 1, 1.4, 2][(gene * 3) % 5]!);
const losses = costs.map((row, gene) =>
  row.map((_, choice) => lossOfBits[choice]! * sensitivities[gene]! * bias[gene]!),
);
const costOf = (genome: Genome): number => genome.reduce((sum, choice, gene) => sum + costs[gene]![choice]!, 0);

interface Point {
  readonly genome: Genome;
  readonly loss: number;
  readonly cost: number;
}

const evaluate = (search: AskTell, evaluations: number, batch: number): Point[] => {
  const points: Point[] = [];
  while (points.length < evaluations) {
    const asked = search.ask(Math.min(batch, evaluations - points.length));
    const found = asked.map((genome) => ({ genome, loss: trueLoss(genome), cost: costOf(genome) }));
    search.tell(found.map(({ genome, loss, cost }) => ({ genome, objectives: [loss, cost] })));
    points.push(...found);
  }
  return points;
};

/** Hypervolume under (binary logarithm of loss, bits a gene). */
const volumeOf = (points: readonly Point[]): number =>
  hypervolume(
    points.map(({ loss, cost }) => [Math.log2(loss), cost / GENES]),
    [2, 8.01],
  );

const leastWithin = (points: readonly Point[], cap: number): number =>
  Math.min(...points.filter(({ cost }) => cost <= cap).map(({ loss }) => loss));

/** Descends from the optimum of the unbiased sums under a cap by changes of one gene and of two, until none helps. */
const localOptimum = (cap: number): number => {
  const unbiased = costs.map((row, gene) => row.map((_, choice) => lossOfBits[choice]! * sensitivities[gene]!));
  const table = additiveFrontTable({ costs, losses: unbiased });
  let best = table.genome(table.costs.findLastIndex((cost) => cost <= cap));
  for (let better: Genome | undefined = best; better; better = betterNeighbour(best, cap)) best = [...better];
  return trueLoss(best);
};

const betterNeighbour = (genome: Genome, cap: number): Genome | undefined => {
  const loss = trueLoss(genome);
  const spare = cap - costOf(genome);
  const moves = genome.flatMap((choice, gene) =>
    bits.map((one, other) => ({ gene, other, extra: one - bits[choice]! })),
  );
  for (const { gene, other, extra } of moves) {
    for (const second of moves) {
      if (second.gene < gene || extra + second.extra > spare) continue;
      const neighbour = genome.with(gene, other).with(second.gene, second.other);
      if (trueLoss(neighbour) < loss) return neighbour;
    }
  }
  return undefined;
};

describe("the surrogate search of 60 evaluations of a nearly additive loss", () => {
  const options = { choices, costs, losses, seed: 1, evaluations: 60 };

  test("dominates half as much again as 200 of NSGA-II", () => {
    const search = createSurrogateSearch(options);
    const found = evaluate(search, 60, 6);
    const nsga2 = evaluate(createNsga2({ choices, objectives: 2, seed: 1, populationSize: 20 }), 200, 20);
    expect(volumeOf(found)).toBeGreaterThan(1.5 * volumeOf(nsga2));
    expect(search.agreement()).toBeGreaterThan(0.99);
    expect(search.strategy()).toBe("surrogate");
  });

  test.each([120, 150])(
    "with a focus at %i bits, comes within 7 percent of a local optimum, by what it learns",
    (cap) => {
      const found = evaluate(createSurrogateSearch({ ...options, focus: { cost: cap } }), 60, 6);
      const optimum = localOptimum(cap);
      const excess = leastWithin(found, cap) - optimum;
      expect(excess).toBeLessThan(0.07 * optimum);
      // The first quarter knows the biased sums only.
      expect(excess).toBeLessThan(0.6 * (leastWithin(found.slice(0, 15), cap) - optimum));
    },
  );

  test("a focus draws three times as many evaluations to just below it", () => {
    const countNear = (focus: object): number =>
      evaluate(createSurrogateSearch({ ...options, ...focus }), 60, 6).filter(({ cost }) => cost > 135 && cost <= 150)
        .length;
    const without = countNear({});
    expect(without).toBeLessThan(7);
    expect(countNear({ focus: { cost: 150 } })).toBeGreaterThanOrEqual(Math.max(15, 3 * without));
  });

  test("a range of costs keeps evaluations within it", () => {
    const found = evaluate(createSurrogateSearch({ ...options, costRange: [100, 130], evaluations: 30 }), 30, 6);
    expect(found.filter(({ cost }) => cost < 100 || cost > 130).length).toBeLessThanOrEqual(4);
  });
});
