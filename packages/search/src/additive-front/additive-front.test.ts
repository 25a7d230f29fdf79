import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { nonDominatedSort } from "../non-dominated-sort.ts";
import { additiveFront, additiveFrontTable, type AdditiveProblem, type FrontPoint } from "./additive-front.ts";

/** Problems of up to 4^5 genomes, with costs of a given kind. */
const problemOf = (cost: fc.Arbitrary<number>): fc.Arbitrary<AdditiveProblem> => {
  const row = fc.array(fc.tuple(cost, fc.integer({ min: -5, max: 30 })), { minLength: 1, maxLength: 4 });
  return fc.array(row, { minLength: 1, maxLength: 5 }).map((genes) => ({
    costs: genes.map((gene) => gene.map(([one]) => one)),
    losses: genes.map((gene) => gene.map(([, loss]) => loss)),
  }));
};

const totals = ({ costs, losses }: AdditiveProblem, genome: readonly number[]): { cost: number; loss: number } => ({
  cost: genome.reduce((sum, choice, gene) => sum + costs[gene]![choice]!, 0),
  loss: genome.reduce((sum, choice, gene) => sum + losses[gene]![choice]!, 0),
});

/** The points of the front of all genomes, cheapest first. */
const bruteFront = (problem: AdditiveProblem): number[][] => {
  let genomes: number[][] = [[]];
  for (const row of problem.costs) genomes = genomes.flatMap((genome) => row.map((_, choice) => [...genome, choice]));
  const points = new Map(
    genomes.map((genome) => {
      const { cost, loss } = totals(problem, genome);
      return [`${cost},${loss}`, [cost, loss]];
    }),
  );
  const distinct = [...points.values()];
  const best = nonDominatedSort(distinct)[0]!.map((index) => distinct[index]!);
  return best.toSorted((a, b) => a[0]! - b[0]!);
};

const pointsOf = (front: readonly FrontPoint[]): number[][] => front.map(({ cost, loss }) => [cost, loss]);

const smallCost = fc.integer({ min: -10, max: 40 });

/** Costs so far apart, without a common divisor, that fronts are merged and no table of cost cells is made. */
const farCost = fc.tuple(fc.nat(6), fc.nat(40)).map(([large, small]) => large * 2 ** 40 + small);

describe.each([
  ["in cost cells", problemOf(smallCost)],
  ["by merging", problemOf(farCost)],
])("%s", (_, problems) => {
  test.prop([problems])("is the front of all genomes, with genomes that have its costs and losses", (problem) => {
    const front = additiveFront(problem);
    expect(pointsOf(front)).toEqual(bruteFront(problem));
    for (const { genome, cost, loss } of front) expect(totals(problem, genome)).toEqual({ cost, loss });
  });
});

describe.each([0.1, 0.375, 1 / 3, 1e-6, 12.7])("costs of %f times a whole number", (unit) => {
  test.prop([problemOf(fc.oneof(smallCost, fc.integer({ min: 0, max: 2_000_000 })))])(
    "have the same front",
    (problem) => {
      const fractional = { ...problem, costs: problem.costs.map((row) => row.map((cost) => cost * unit)) };
      const whole = additiveFront(problem);
      const front = additiveFront(fractional);
      expect(front.map(({ genome }) => genome)).toEqual(whole.map(({ genome }) => genome));
      const largest = Math.max(...fractional.costs.flat().map(Math.abs), unit);
      for (const { genome, cost } of front) {
        expect(Math.abs(cost - totals(fractional, genome).cost)).toBeLessThanOrEqual(1e-9 * largest);
      }
    },
  );
});

describe("with a resolution", () => {
  test.prop([problemOf(fc.oneof(smallCost, farCost)), fc.integer({ min: 0, max: 60 })])(
    "no loss is lost, and costs rise by no more than genes x resolution",
    (problem, resolution) => {
      const coarse = additiveFront({ ...problem, resolution });
      const rise = problem.costs.length * resolution;
      for (const { cost, loss } of additiveFront(problem)) {
        expect(coarse.some((point) => point.loss <= loss && point.cost <= cost + rise)).toBe(true);
      }
      for (const { genome, cost, loss } of coarse) expect(totals(problem, genome)).toEqual({ cost, loss });
      expect(nonDominatedSort(pointsOf(coarse))).toHaveLength(1);
    },
  );

  test("of equal losses within it the cheaper stays", () => {
    const problem = {
      costs: [
        [0, 4],
        [0, 5],
      ],
      losses: [
        [1, 0],
        [1, 0],
      ],
      resolution: 4,
    };
    expect(pointsOf(additiveFront(problem))).toEqual([
      [0, 2],
      [4, 1],
      [9, 0],
    ]);
  });

  test("fewer points remain", () => {
    const costs = Array.from({ length: 10 }, (_, gene) => [0, 2 ** gene]);
    const losses = costs.map((row) => row.map((cost) => 1024 - cost));
    expect(additiveFront({ costs, losses })).toHaveLength(1024);
    expect(additiveFront({ costs, losses, resolution: 64 }).length).toBeLessThanOrEqual(16);
  });
});

/** Dear genes differ, and doing without one's finest choice costs more and more. */
const lossesOf = (costs: readonly (readonly number[])[]): number[][] =>
  costs.map((row, gene) => row.map((_, choice) => (((gene * 29) % 31) + 1) * (15 - choice) ** 3));

test("64 genes of 16 choices: no change of one gene leads below the front", () => {
  const costs = Array.from({ length: 64 }, (_, gene) =>
    Array.from({ length: 16 }, (__, c) => (c + 1) * (8 + (gene % 5))),
  );
  const losses = lossesOf(costs);
  const table = additiveFrontTable({ costs, losses });
  expect(table.costs[0]).toBe(costs.reduce((sum, row) => sum + row[0]!, 0));
  expect(table.losses.at(-1)).toBe(0);
  for (let index = 0; index < table.size; index += Math.floor(table.size / 5)) {
    const genome = table.genome(index);
    expect(totals({ costs, losses }, genome)).toEqual({ cost: table.costs[index], loss: table.losses[index] });
    const neighbours = genome.flatMap((_, gene) => costs[gene]!.map((__, choice) => genome.with(gene, choice)));
    for (const { cost, loss } of neighbours.map((one) => totals({ costs, losses }, one))) {
      const least = table.losses[table.costs.findLastIndex((known) => known <= cost)]!;
      if (!(loss >= least)) expect.fail(`cost ${cost} is to be had at loss ${loss}, the front says ${least}`);
    }
  }
});

test("64 genes of 16 choices whose costs share no unit worth the name stay few with a resolution", () => {
  const costs = Array.from({ length: 64 }, (_, gene) =>
    Array.from(
      { length: 16 },
      (__, choice) => choice * 1_000_003 + ((gene * 7919 + choice * choice * 104_729) % 99_991),
    ),
  );
  const losses = lossesOf(costs);
  const table = additiveFrontTable({ costs, losses, resolution: 1_000_000 });
  expect(table.size).toBeLessThanOrEqual(16 * 64);
  expect(table.losses.at(-1)).toBe(0);
  for (const index of [0, table.size >> 1, table.size - 1]) {
    const point = { cost: table.costs[index], loss: table.losses[index] };
    expect(totals({ costs, losses }, table.genome(index))).toEqual(point);
  }
});

describe("refuses", () => {
  test.each([
    [{ costs: [], losses: [] }, "SEARCH_BAD_COSTS"],
    [{ costs: [[]], losses: [[]] }, "SEARCH_BAD_COSTS"],
    [{ costs: [[1, Number.NaN]], losses: [[1, 2]] }, "SEARCH_BAD_COSTS"],
    [{ costs: [[0, 1, Math.PI, Math.E, Math.SQRT2]], losses: [[1, 2, 3, 4, 5]] }, "SEARCH_BAD_COSTS"],
    [{ costs: [[1, 2], [3]], losses: [[1, 2]] }, "SEARCH_BAD_LOSSES"],
    [{ costs: [[1, 2]], losses: [[1, Infinity]] }, "SEARCH_BAD_LOSSES"],
    [{ costs: [[1], [1]], losses: [[1e308], [1e308]] }, "SEARCH_BAD_LOSSES"],
    [
      {
        costs: [
          [0, 2 ** 53 - 1],
          [0, 1],
        ],
        losses: [
          [0, 1],
          [0, 1],
        ],
      },
      "SEARCH_BAD_COSTS",
    ],
    [{ costs: [[1, 2]], losses: [[1, 2]], resolution: -1 }, "SEARCH_BAD_OPTIONS"],
    [{ costs: [[1, 2]], losses: [[1, 2]], resolution: Number.NaN }, "SEARCH_BAD_OPTIONS"],
  ])("%j", (problem, code) => {
    expect(() => additiveFront(problem)).toThrow(expect.objectContaining({ code }));
  });
});
