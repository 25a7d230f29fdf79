import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import type { AskTell, Evaluation, Genome } from "../ask-tell.ts";
import type { SurrogateSearchOptions } from "./problem.ts";
import { createSurrogateSearch, restoreSurrogateSearch } from "./surrogate-search.ts";

const costs = Array.from({ length: 6 }, () => [8, 4, 2]);
const losses = costs.map((_, gene) => [0, gene + 1, 10 * gene + 12]);
const choices = costs.map((row) => row.length);
const options: SurrogateSearchOptions = { choices, costs, losses, seed: 1, evaluations: 24 };

const sumOf = (table: readonly (readonly number[])[], genome: Genome): number =>
  genome.reduce((sum, choice, gene) => sum + table[gene]![choice]!, 0);

type Measure = (genome: Genome) => Evaluation;

/** Sums, one gene's loss doubled, saturating. */
const nearlyAdditive: Measure = (genome) => {
  const sum = sumOf(losses, genome) + losses[2]![genome[2]!]!;
  return { genome, objectives: [sum / (1 + sum / 300), sumOf(costs, genome)], constraintViolation: genome[0]! - 1 };
};

/** Nothing to do with the sums. */
const scrambled: Measure = (genome) => ({
  genome,
  objectives: [
    1 + (genome.reduce((hash, choice) => (hash * 31 + choice * 17 + 5) % 101, 7) % 101),
    sumOf(costs, genome),
  ],
});

const runThrough = (search: AskTell, batches: readonly number[], measure: Measure): Genome[] =>
  batches.flatMap((count) => {
    const asked = search.ask(count);
    search.tell(asked.map(measure));
    return asked;
  });

const keysOf = (genomes: readonly Genome[]): Set<string> => new Set(genomes.map((genome) => genome.join()));

const measures = { nearlyAdditive, scrambled };
const measure = fc.constantFrom(...(Object.keys(measures) as (keyof typeof measures)[]));
const seed = fc.integer({ min: -(2 ** 31), max: 2 ** 32 - 1 });
const batches = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 5 });

test.prop([seed, measure, batches, fc.nat(6), batches], { numRuns: 30 })(
  "goes on from a checkpoint, even with answers outstanding, as it would have without",
  (one, name, before, outstanding, after) => {
    const search = createSurrogateSearch({ ...options, seed: one });
    runThrough(search, before, measures[name]);
    const asked = search.ask(outstanding);
    const restored = restoreSurrogateSearch(JSON.parse(JSON.stringify(search.checkpoint())));
    expect(restored.ask(2)).toEqual(search.ask(2));
    for (const each of [search, restored]) each.tell(asked.toReversed().map(measures[name]));
    expect(runThrough(restored, after, measures[name])).toEqual(runThrough(search, after, measures[name]));
    expect(restored.checkpoint()).toEqual(search.checkpoint());
    expect([restored.strategy(), restored.agreement()]).toEqual([search.strategy(), search.agreement()]);
  },
);

test.prop([seed, measure, batches], { numRuns: 15 })(
  "asks the same with the same seed and answers, and nothing twice",
  (one, name, counts) => {
    const asked = runThrough(createSurrogateSearch({ ...options, seed: one }), counts, measures[name]);
    expect(runThrough(createSurrogateSearch({ ...options, seed: one }), counts, measures[name])).toEqual(asked);
    expect(keysOf(asked).size).toBe(asked.length);
  },
);

test.each([nearlyAdditive, scrambled])("asks every genome of a small space once, and then no more: %o", (one) => {
  const small = { ...options, choices: [3, 3, 3], costs: costs.slice(0, 3), losses: losses.slice(0, 3) };
  const search = createSurrogateSearch(small);
  search.tell([one([0, 1, 2])]);
  const asked = runThrough(search, [9, 3, 5, 20, 4], one);
  expect(asked).toHaveLength(26);
  expect(keysOf([...asked, [0, 1, 2]]).size).toBe(27);
});

test("asks first, without any answer, genomes spread from the cheapest to the dearest of the additive front", () => {
  const costsAsked = createSurrogateSearch(options)
    .ask(8)
    .map((genome) => sumOf(costs, genome));
  expect(costsAsked.toSorted((a, b) => a - b)).toEqual(costsAsked);
  expect([costsAsked[0], costsAsked.at(-1)]).toEqual([12, 48]);
});

test("the expected gain is unknown at first, falls as results come, and ends at 0", () => {
  const small = { ...options, choices: [3, 3, 3], costs: costs.slice(0, 3), losses: losses.slice(0, 3), first: 8 };
  const search = createSurrogateSearch(small);
  expect(search.expectedGain(1)).toBeUndefined();
  runThrough(search, [7], nearlyAdditive);
  expect(search.expectedGain(1)).toBeUndefined();
  runThrough(search, [1], nearlyAdditive);
  const early = search.expectedGain(1)!;
  expect(search.expectedGain(3)).toBeGreaterThan(early);
  runThrough(search, [6], nearlyAdditive);
  const late = search.expectedGain(1)!;
  expect(early).toBeGreaterThan(0);
  expect(late).toBeLessThan(early);
  // It neither proposes nor changes anything.
  expect(search.expectedGain(1)).toBe(late);
  runThrough(search, [27], nearlyAdditive);
  expect(search.expectedGain(1)).toBe(0);
});

test("the gain of an abandoned surrogate is unknown", () => {
  const search = createSurrogateSearch(options);
  runThrough(search, [8], scrambled);
  expect(search.expectedGain(1)).toBeUndefined();
});

describe("when losses have nothing to do with the sums", () => {
  const groups = [
    [0, 3],
    [1, 2],
    [4, 5],
  ];

  test("NSGA-II takes over, over groups that share a choice", () => {
    const search = createSurrogateSearch({ ...options, groups });
    const first = runThrough(search, [8], scrambled);
    expect(first).toHaveLength(8);
    expect(search.agreement()).toBeLessThan(0.7);
    const asked = runThrough(search, [4, 4, 4], scrambled);
    expect(search.strategy()).toBe("nsga2");
    for (const genome of asked) {
      for (const group of groups) expect(new Set(group.map((gene) => genome[gene])).size).toBe(1);
    }
  });

  test("it does not when any agreement is good enough", () => {
    const search = createSurrogateSearch({ ...options, minimumAgreement: -1 });
    runThrough(search, [8, 4, 4], scrambled);
    expect(search.strategy()).toBe("surrogate");
  });
});

test.each([nearlyAdditive, scrambled])("takes costs from the table, whatever is told: %o", (one) => {
  const lying: Measure = (genome) => ({ ...one(genome), objectives: [one(genome).objectives[0]!, genome[1]! * 1000] });
  const counts = [8, 6, 6, 6, 6, 6, 6];
  expect(runThrough(createSurrogateSearch(options), counts, lying)).toEqual(
    runThrough(createSurrogateSearch(options), counts, one),
  );
});

describe("refuses", () => {
  test.each([
    [{ choices: [0], costs: [[]], losses: [[]] }, "SEARCH_BAD_CHOICES"],
    [{ choices: [], costs: [], losses: [] }, "SEARCH_BAD_CHOICES"],
    [{ costs: costs.slice(1) }, "SEARCH_BAD_COSTS"],
    [{ costs: costs.with(0, [1, 2, Number.NaN]) }, "SEARCH_BAD_COSTS"],
    [{ costs: costs.with(0, [0, Math.PI, Math.E]).with(1, [0, 1, Math.SQRT2]) }, "SEARCH_BAD_COSTS"],
    [{ losses: losses.with(2, [0, 1]) }, "SEARCH_BAD_LOSSES"],
    [{ losses: losses.with(2, [0, 1, Infinity]) }, "SEARCH_BAD_LOSSES"],
    [{ evaluations: 0 }, "SEARCH_BAD_OPTIONS"],
    [{ seed: 0.5 }, "SEARCH_BAD_OPTIONS"],
    [{ minimumAgreement: Number.NaN }, "SEARCH_BAD_OPTIONS"],
    [{ focus: { cost: Number.NaN } }, "SEARCH_BAD_OPTIONS"],
    [{ costRange: [0, Number.NaN] }, "SEARCH_BAD_OPTIONS"],
    [{ reference: [0, 1] }, "SEARCH_BAD_OPTIONS"],
    [
      {
        groups: [
          [0, 1, 2],
          [4, 5],
        ],
      },
      "SEARCH_BAD_OPTIONS",
    ],
    [{ groups: [[0, 1, 2, 3, 4, 5], []] }, "SEARCH_BAD_OPTIONS"],
  ])("options %j", (bad, code) => {
    const made = { ...options, ...bad } as SurrogateSearchOptions;
    expect(() => createSurrogateSearch(made)).toThrow(expect.objectContaining({ code }));
  });

  test("groups of genes with different choices", () => {
    const uneven = {
      choices: [2, 3],
      costs: [
        [2, 1],
        [3, 2, 1],
      ],
      losses: [
        [0, 1],
        [0, 1, 2],
      ],
      groups: [[0, 1]],
    };
    expect(() => createSurrogateSearch({ ...options, ...uneven })).toThrow(
      expect.objectContaining({ code: "SEARCH_BAD_OPTIONS" }),
    );
  });

  test("a result without a finite loss, and takes none of those told with it", () => {
    const search = createSurrogateSearch(options);
    const bad = { genome: choices.map(() => 0), objectives: [Number.NaN, 1] };
    expect(() => search.tell([nearlyAdditive([1, 1, 1, 1, 1, 1]), bad])).toThrow(
      expect.objectContaining({ code: "SEARCH_BAD_EVALUATION" }),
    );
    expect(search.checkpoint()).toEqual(createSurrogateSearch(options).checkpoint());
  });

  const whole = createSurrogateSearch(options).checkpoint() as Record<string, unknown>;
  test.each([undefined, null, 1, ...Object.keys(whole).map((part) => ({ ...whole, [part]: undefined }))])(
    "the checkpoint %j",
    (bad) => {
      expect(() => restoreSurrogateSearch(bad)).toThrow(expect.objectContaining({ code: "SEARCH_BAD_CHECKPOINT" }));
    },
  );
});
