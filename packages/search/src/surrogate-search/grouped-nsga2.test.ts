import { expect, test } from "vitest";
import { createGroupedNsga2 } from "./grouped-nsga2.ts";

const options = {
  choices: [3, 2, 3],
  groups: [[0, 2], [1]],
  seed: 1,
  populationSize: 4,
  told: [
    { genome: [0, 0, 0], objectives: [1, 1] },
    { genome: [2, 0, 1], objectives: [1, 1] },
  ],
  pending: [
    [1, 1, 1],
    [0, 1, 2],
  ],
};

test("asks all genomes whose groups agree, but for those told and pending", () => {
  const asked = createGroupedNsga2(options).ask(9);
  expect(asked.map((genome) => genome.join("")).toSorted()).toEqual(["010", "101", "202", "212"]);
});

test("asks genomes of one choice first, the last choice where a gene has fewer", () => {
  expect(createGroupedNsga2({ ...options, told: [], pending: [] }).ask(3)).toEqual([
    [0, 0, 0],
    [1, 1, 1],
    [2, 1, 2],
  ]);
});
