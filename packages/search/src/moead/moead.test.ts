import { describe, expect, test } from "vitest";
import type { Evaluation, Genome } from "../ask-tell.ts";
import { createMoeaD } from "./moead.ts";
import { tchebycheff } from "./subproblems.ts";

test("Tchebycheff is the largest weighted distance from the ideal point, in shares of the range", () => {
  const range = { ideal: [1, 100], nadir: [3, 300] };
  expect(tchebycheff([2, 150], [0.5, 0.5], range)).toBe(0.25);
  expect(tchebycheff([2, 280], [0.5, 0.5], range)).toBe(0.45);
  expect(tchebycheff([1, 100], [0.2, 0.8], range)).toBe(0);
  expect(tchebycheff([5, 7], [1, 0], { ideal: [5, 7], nadir: [5, 7] })).toBe(0);
});

/** Genomes of the incumbents, by subproblem. */
const incumbents = (search: ReturnType<typeof createMoeaD>): (Genome | undefined)[] =>
  (search.checkpoint() as { incumbents: (Evaluation | null)[] }).incumbents.map((held) => held?.genome);

const options = { choices: [100], objectives: 2, seed: 1, populationSize: 5, neighbours: 2 };

describe("a result", () => {
  test("that was never asked is held by the subproblems that it serves best", () => {
    const search = createMoeaD(options);
    // A front of five, one for each weight; its ends first, for they say how far it goes.
    search.tell([0, 4, 1, 2, 3].map((step) => ({ genome: [step], objectives: [4 - step, step] })));
    expect(incumbents(search)).toEqual([[0], [1], [2], [3], [4]]);
  });

  test("that was asked is offered to its own neighbours alone", () => {
    const search = createMoeaD(options);
    const [genome] = search.ask(1);
    search.tell([{ genome: genome!, objectives: [0, 0] }]);
    expect(incumbents(search)).toEqual([genome, genome]);
  });

  test("that is forbidden gives way to any that is allowed", () => {
    const search = createMoeaD(options);
    search.tell([{ genome: [1], objectives: [0, 0], constraintViolation: 3 }]);
    search.tell([{ genome: [2], objectives: [1, 1], constraintViolation: 2 }]);
    expect(new Set(incumbents(search).map(String))).toEqual(new Set(["2"]));
    search.tell([{ genome: [3], objectives: [9, 9] }]);
    search.tell([{ genome: [4], objectives: [0, 0], constraintViolation: 1 }]);
    expect(new Set(incumbents(search).map(String))).toEqual(new Set(["3"]));
  });
});

test("a neighbourhood of one is refused", () => {
  const code = "SEARCH_BAD_OPTIONS";
  expect(() => createMoeaD({ ...options, neighbours: 1 })).toThrow(expect.objectContaining({ code }));
});
