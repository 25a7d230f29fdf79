import { expect, test } from "vitest";
import { randomFromSeed } from "../random.ts";
import { type Ranked, tournament } from "./selection.ts";

const member = (gene: number, rank: number, crowding: number): Ranked => ({
  evaluation: { genome: [gene], objectives: [0] },
  rank,
  crowding,
});

/** How often each of two members wins 1000 tournaments. */
const wins = (population: readonly Ranked[]): number => {
  const random = randomFromSeed(1);
  const winners = Array.from({ length: 1000 }, () => tournament(population, random).evaluation.genome[0]);
  return winners.filter((gene) => gene === 0).length;
};

// The better of two members loses only when the other is drawn twice: one time in four.
test.each([
  ["the lower rank, however crowded", [member(0, 0, 0), member(1, 1, Infinity)]],
  ["of a rank the less crowded", [member(0, 2, 1.5), member(1, 2, 1)]],
  ["infinitely far neighbours", [member(0, 2, Infinity), member(1, 2, 1)]],
])("a tournament prefers %s", (_, population) => {
  expect(wins(population)).toBeGreaterThan(700);
  expect(wins(population.toReversed())).toBeGreaterThan(700);
  expect(wins(population)).toBeLessThan(800);
});
