import { fc, test as property } from "@fast-check/vitest";
import { expect, test } from "vitest";
import { comparePaired, mcNemar } from "./paired-comparison.ts";
import { taskScore } from "./task-score.ts";

// Exact: Wikipedia's second example, and fractions. Chi-square: the example of mlxtend's documentation, chi-squared 2.025;
// the others are erfc(sqrt(x / 2)) by CPython's math.erfc.
test.each([
  [6, 16, 0.052478790283203125],
  [9, 1, 0.021484375],
  [0, 24, 2 / 2 ** 24],
  [12, 12, 1],
  [0, 0, 1],
  [25, 15, 0.154728923485],
  [121, 59, 5.450094825427123e-6],
  [150, 86, 4.1145622813459415e-5],
  [13, 14, 1],
  [0, 25, 1.5866563039511896e-6],
  [500, 10, 5.660015857374569e-104],
])("McNemar's p of %i and %i differing prompts is %d", (gained, lost, p) => {
  expect(mcNemar(gained, lost) / p).toBeCloseTo(1, 10);
  expect(mcNemar(lost, gained)).toBe(mcNemar(gained, lost));
});

test("standard errors are those of the sample", () => {
  const correct = [true, true, true, false];
  expect(taskScore({ correct, kl: [1, 2, 3, 6] })).toEqual({
    accuracy: 0.75,
    accuracyStandardError: 0.25,
    kl: 3,
    klStandardError: Math.sqrt(14 / 3 / 4),
    prompts: 4,
  });
  expect(comparePaired(correct, [false, true, false, true])).toMatchObject({ difference: 0.25, gained: 2, lost: 1 });
  // Differences 1, 0, 1, -1: variance 11/12.
  expect(comparePaired(correct, [false, true, false, true]).standardError).toBeCloseTo(Math.sqrt(11 / 12 / 4), 12);
  expect(taskScore({ correct: [true], kl: [0.5] })).toMatchObject({ klStandardError: 0 });
});

const equal = (length: number, value: boolean): boolean[] => Array<boolean>(length).fill(value);
const errorOf = (correct: readonly boolean[]): number => taskScore({ correct, kl: [0] }).accuracyStandardError;

// Agresti and Coull at z = 1: (1/2) of 2 and of 301, n + z^2 = 2 and 301. Agresti and Min, one prompt: sqrt(1) / 3, sqrt(2 - 1/3) / 3.
test("where all answers are the same, the errors are not 0", () => {
  for (const value of [true, false]) {
    expect(errorOf(equal(1, value))).toBeCloseTo(Math.sqrt((0.25 * 0.75) / 2), 12);
    expect(errorOf(equal(300, value))).toBeCloseTo(Math.sqrt(((0.5 / 301) * (300.5 / 301)) / 301), 12);
  }
  expect(comparePaired([true], [true]).standardError).toBeCloseTo(1 / 3, 12);
  expect(comparePaired([true], [false]).standardError).toBeCloseTo(Math.sqrt(5 / 3) / 3, 12);
});

property.prop([fc.integer({ min: 2, max: 500 })])("and smaller than those of one answer that differs", (prompts) => {
  const one = [false, ...equal(prompts - 1, true)];
  expect(errorOf(equal(prompts, true))).toBeLessThan(errorOf(one));
  expect(errorOf(one)).toBeCloseTo(Math.sqrt(((1 / prompts) * (1 - 1 / prompts)) / (prompts - 1)), 12);
});

property.prop([fc.array(fc.tuple(fc.boolean(), fc.boolean()), { minLength: 2, maxLength: 80 })])(
  "a comparison turned round has the same p, and the other sign",
  (pairs) => {
    const [first, second] = [pairs.map(([one]) => one), pairs.map(([, other]) => other)];
    const there = comparePaired(first, second);
    const back = comparePaired(second, first);
    expect(back).toEqual({ ...there, gained: there.lost, lost: there.gained, difference: back.difference });
    expect(back.difference + there.difference).toBe(0);
    expect(there.difference).toBeCloseTo(
      taskScore({ correct: first, kl: [0] }).accuracy - taskScore({ correct: second, kl: [0] }).accuracy,
      12,
    );
    expect(there.pValue).toBeGreaterThan(0);
    expect(there.pValue).toBeLessThanOrEqual(1);
  },
);
