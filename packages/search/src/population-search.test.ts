import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import type { AskTell, Evaluation, Genome } from "./ask-tell.ts";
import { createMoeaD, restoreMoeaD } from "./moead/moead.ts";
import { createNsga2, restoreNsga2 } from "./nsga2/nsga2.ts";
import type { PopulationOptions } from "./population-options.ts";

/** Integer arithmetic of two objectives in conflict, and a violation on some genomes. */
const measure = (genome: Genome): Evaluation => {
  const fine = genome.reduce((sum, choice, gene) => sum + (choice + 1) * (gene + 2), 0);
  const odd = genome.reduce((sum, choice, gene) => (sum * 7 + choice * (gene + 3)) % 23, 0);
  return { genome, objectives: [fine + odd, 200 - fine], constraintViolation: odd % 5 === 0 ? odd : 0 };
};

/** Asks and tells batches of given sizes; the genomes asked, in order. */
const runThrough = (search: AskTell, batches: readonly number[]): Genome[] =>
  batches.flatMap((count) => {
    const asked = search.ask(count);
    search.tell(asked.map(measure));
    return asked;
  });

const overJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

const choices = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 6 });
const seed = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const batches = fc.array(fc.nat(9), { maxLength: 12 });
const options: fc.Arbitrary<PopulationOptions> = fc.record({
  choices,
  seed,
  objectives: fc.constant(2),
  populationSize: fc.integer({ min: 2, max: 12 }),
});

describe.each([
  ["NSGA-II", { create: createNsga2, restore: restoreNsga2, format: "kvtuner-nsga2" }],
  ["MOEA/D", { create: createMoeaD, restore: restoreMoeaD, format: "kvtuner-moead" }],
])("%s", (_, { create, restore, format }) => {
  test.prop([options, batches])("the same seed asks the same", (made, counts) => {
    expect(runThrough(create(made), counts)).toEqual(runThrough(create(made), counts));
  });

  test("different seeds ask differently", () => {
    const asked = Array.from({ length: 50 }, (_, index) =>
      JSON.stringify(create({ choices: Array(12).fill(5), objectives: 2, seed: index - 25 }).ask(3)),
    );
    expect(new Set(asked).size).toBe(50);
  });

  test.prop([options, batches, fc.nat(8), batches])(
    "goes on from a checkpoint, even with answers outstanding, as it would have without",
    (made, before, outstanding, after) => {
      const search = create(made);
      runThrough(search, before);
      const asked = search.ask(outstanding);
      const restored = restore(overJson(search.checkpoint()));
      expect(restored.ask(2)).toEqual(search.ask(2));
      for (const one of [search, restored]) one.tell(asked.map(measure));
      expect(runThrough(restored, after)).toEqual(runThrough(search, after));
      expect(restored.checkpoint()).toEqual(search.checkpoint());
    },
  );

  test.prop([options])("a checkpoint does not change when the search goes on", (made) => {
    const search = create(made);
    runThrough(search, [5, 5]);
    const checkpoint = search.checkpoint();
    const text = JSON.stringify(checkpoint);
    runThrough(search, [20]);
    expect(JSON.stringify(checkpoint)).toBe(text);
  });

  test.prop([options, batches, fc.nat(3)])(
    "asks every genome once, in range, and then no more",
    (made, counts, excluded) => {
      const exclude = create(made).ask(excluded);
      const search = create({ ...made, exclude });
      const size = made.choices.reduce((product, count) => product * count, 1);
      const asked = runThrough(search, [...counts, size, 5]);
      expect(new Set([...asked, ...exclude].map((genome) => genome.join())).size).toBe(size);
      expect(asked).toHaveLength(size - exclude.length);
      for (const genome of asked) {
        expect(genome).toHaveLength(made.choices.length);
        for (const [gene, choice] of genome.entries()) {
          expect(Number.isInteger(choice) && choice >= 0 && choice < made.choices[gene]!).toBe(true);
        }
      }
    },
  );

  test("does not ask what was told unasked", () => {
    const search = create({ choices: [3, 3], objectives: 2, seed: 1, populationSize: 4 });
    const told = create({ choices: [3, 3], objectives: 2, seed: 2 }).ask(8);
    search.tell(told.map(measure));
    const [last, ...more] = search.ask(9);
    expect(more).toEqual([]);
    expect(told.map((genome) => genome.join())).not.toContain(last!.join());
  });

  test("asks the initial genomes first", () => {
    const initial = [
      [2, 0, 1],
      [0, 0, 0],
    ];
    expect(create({ choices: [3, 3, 3], objectives: 2, seed: 1, initial }).ask(2)).toEqual(initial);
  });

  describe("refuses", () => {
    const good = { choices: [3, 2], objectives: 2, seed: 1 };
    test.each([
      [{ choices: [] }, "SEARCH_BAD_CHOICES"],
      [{ choices: [3, 0] }, "SEARCH_BAD_CHOICES"],
      [{ choices: [3, 1.5] }, "SEARCH_BAD_CHOICES"],
      [{ objectives: 0 }, "SEARCH_BAD_OPTIONS"],
      [{ populationSize: 1 }, "SEARCH_BAD_OPTIONS"],
      [{ seed: Number.NaN }, "SEARCH_BAD_OPTIONS"],
      [{ seed: 2 ** 32 }, "SEARCH_BAD_OPTIONS"],
      [{ initial: [[0, 2]] }, "SEARCH_BAD_OPTIONS"],
      [{ exclude: [[0]] }, "SEARCH_BAD_OPTIONS"],
    ])("options %j", (bad, code) => {
      expect(() => create({ ...good, ...bad })).toThrow(expect.objectContaining({ code }));
    });

    test.each([
      { genome: [0], objectives: [1, 1] },
      { genome: [0, 2], objectives: [1, 1] },
      { genome: [0.5, 0], objectives: [1, 1] },
      { genome: [0, 0], objectives: [1] },
      { genome: [0, 0], objectives: [1, Number.NaN] },
      { genome: [0, 0], objectives: [1, Infinity] },
      { genome: [0, 0], objectives: [1, 1], constraintViolation: Number.NaN },
      // JSON would make it null, and null would be taken as allowed.
      { genome: [0, 0], objectives: [1, 1], constraintViolation: Infinity },
    ])("the result %j, and takes none of those told with it", (bad) => {
      const search = create(good);
      const before = JSON.stringify(search.checkpoint());
      const code = "SEARCH_BAD_EVALUATION";
      const fine = { genome: [0, 0], objectives: [1, 1] };
      expect(() => search.tell([fine, bad])).toThrow(expect.objectContaining({ code }));
      expect(JSON.stringify(search.checkpoint())).toBe(before);
    });

    test.each([undefined, null, 1, {}, { format, version: 2, seen: [] }])("the checkpoint %j", (bad) => {
      expect(() => restore(bad)).toThrow(expect.objectContaining({ code: "SEARCH_BAD_CHECKPOINT" }));
    });

    const whole = create(good).checkpoint() as Record<string, unknown>;
    test.each(Object.keys(whole))("a checkpoint without %s", (part) => {
      const checkpoint = { ...whole, [part]: undefined };
      expect(() => restore(checkpoint)).toThrow(expect.objectContaining({ code: "SEARCH_BAD_CHECKPOINT" }));
    });
  });
});
