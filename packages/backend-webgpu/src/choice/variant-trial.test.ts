import { expect, it } from "vitest";
import { agree, agreeInAll } from "./variant-trial.ts";

it.each([
  [[1, -3], [1.002, -3], false, true],
  [[1, -3], [1.005, -3], false, false],
  [[1, -3], [1.005, -3], true, true],
  [[1, -3], [1, -2.96], true, false],
  [[1, -3], [1, Number.NaN], true, false],
  [[1, -3], [1], true, false],
])("the self-test tells %j from %j, float16 %s: %s", (expected, got, float16, same) => {
  expect(agree(expected, got, { float16 })).toBe(same);
});

it("numbers that are far out in one layer hide nothing in another", () => {
  const plain = [[1, 2], [60_000]];
  expect(agreeInAll(plain, [[1, 2], [60_010]], { float16: false })).toBe(true);
  expect(agreeInAll(plain, [[1, 2.1], [60_000]], { float16: false })).toBe(false);
  expect(agreeInAll(plain, [], { float16: false })).toBe(false);
});
