import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import type { Evaluation, Genome } from "../ask-tell.ts";
import { promisingWithin, type SurrogateTable } from "./best-within.ts";
import { createSurrogateSearch } from "./surrogate-search.ts";

const bits = [8, 4, 2];
const sum = (table: readonly (readonly number[])[], genome: Genome): number =>
  genome.reduce((total, choice, gene) => total + table[gene]![choice]!, 0);

/** Every genome of six genes. */
const all = Array.from({ length: 3 ** 6 }, (_, index) =>
  Array.from({ length: 6 }, (__, gene) => Math.floor(index / 3 ** gene) % 3),
);

/** Sensitivities of layers over two decades, each told up to twice too high or too low. */
const layer = fc.record({
  sensitivity: fc.integer({ min: 1, max: 100 }),
  bias: fc.constantFrom(0.5, 0.7, 1, 1.4, 2),
});
const layers = fc.array(layer, { minLength: 6, maxLength: 6 });
const cost = fc.integer({ min: 12, max: 48 });

const lossesOf = (sensitivities: readonly number[]): number[][] =>
  sensitivities.map((sensitivity) => [0.001, 0.03, 0.3].map((loss) => loss * sensitivity));

interface Case {
  readonly table: SurrogateTable;
  readonly measure: (genome: Genome) => Evaluation;
}

const caseOf = (drawn: readonly { readonly sensitivity: number; readonly bias: number }[]): Case => {
  const costs = drawn.map(() => bits);
  const losses = lossesOf(drawn.map(({ sensitivity, bias }) => sensitivity * bias));
  const real = lossesOf(drawn.map(({ sensitivity }) => sensitivity));
  return {
    table: { choices: drawn.map(() => bits.length), costs, losses },
    measure: (genome) => ({ genome, objectives: [sum(real, genome), sum(costs, genome)] }),
  };
};

/** Every genome proposed after those told, one after the other, until there is none. */
const climb = ({ table, measure }: Case, most: number, told: readonly Evaluation[] = []): Evaluation[] => {
  const found: Evaluation[] = [];
  const next = (): Genome | undefined => promisingWithin(table, [...told, ...found], most);
  for (let genome = next(); genome; genome = next()) found.push(measure(genome));
  return found;
};

/** What a search spreads over all costs. */
const searched = ({ table, measure }: Case, evaluations: number): Evaluation[] => {
  const search = createSurrogateSearch({ ...table, seed: 1, evaluations });
  return Array.from({ length: evaluations }, () => {
    const told = search.ask(1).map(measure);
    search.tell(told);
    return told;
  }).flat();
};

const leastWithin = (told: readonly Evaluation[], most: number): number =>
  Math.min(...told.filter(({ objectives }) => objectives[1]! <= most).map(({ objectives }) => objectives[0]!));

describe("the best genome within a cost", () => {
  test.prop([layers, cost], { numRuns: 40 })("is the best sum before anything was told", (drawn, most) => {
    const { table } = caseOf(drawn);
    const genome = promisingWithin(table, [], most) ?? [];
    expect(sum(table.costs, genome)).toBeLessThanOrEqual(most);
    const best = Math.min(...all.filter((one) => sum(table.costs, one) <= most).map((one) => sum(table.losses, one)));
    expect(sum(table.losses, genome)).toBeCloseTo(best, 9);
  });

  test.prop([layers, cost], { numRuns: 20 })(
    "is climbed to without leaving the budget, and never repeats",
    (drawn, most) => {
      const told = climb(caseOf(drawn), most);
      for (const { objectives } of told) expect(objectives[1]).toBeLessThanOrEqual(most);
      expect(new Set(told.map(({ genome }) => genome.join())).size).toBe(told.length);
      expect(told.length).toBeGreaterThan(0);
    },
  );

  test("is nearly the best of all behind a search that was told misleading losses", () => {
    const drawn = fc.sample(fc.tuple(layers, cost), { numRuns: 60, seed: 1 });
    const ratios = drawn.map(([drawnLayers, most]) => {
      const one = caseOf(drawnLayers);
      const told = searched(one, 16);
      const best = leastWithin(all.map(one.measure), most);
      return [told, [...told, ...climb(one, most, told)]].map((known) => leastWithin(known, most) / best);
    });
    const missed = [0, 1].map((when) => ratios.filter((ratio) => !(ratio[when]! < 1.02)).length);
    expect(missed[1]).toBeLessThan(missed[0]! / 3);
  });

  test("is none where no genome is so cheap", () => {
    const { table } = caseOf(Array.from({ length: 6 }, () => ({ sensitivity: 1, bias: 1 })));
    expect(promisingWithin(table, [], 11)).toBe(undefined);
  });
});
