import { fc, test } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import { createErrorMean, type HeadErrors } from "./index.ts";
import type { PairErrors } from "./layer-errors.ts";

const pair = (numbers: readonly number[], keyId = "K8"): PairErrors => {
  const [key, value, attention, output] = numbers.map((x) => [x, x / 2]) as [number[], number[], number[], number[]];
  return { keyId, valueId: "V4", errors: { key, value, attention, output } };
};

const four = fc.array(
  fc.nat(1000).map((n) => n / 101),
  { minLength: 4, maxLength: 4 },
);

describe("createErrorMean", () => {
  test.prop([fc.array(fc.tuple(four, fc.integer({ min: 1, max: 9 })), { minLength: 1, maxLength: 9 })])(
    "is the weighted mean over samples",
    (samples) => {
      const mean = createErrorMean();
      for (const [numbers, weight] of samples) mean.add([pair(numbers)], weight);
      const total = samples.reduce((sum, [, weight]) => sum + weight, 0);
      const expected = [0, 1, 2, 3].map(
        (at) => samples.reduce((sum, [numbers, weight]) => sum + numbers[at]! * weight, 0) / total,
      );
      const { errors } = mean.result()[0]!;
      for (const [at, name] of (
        ["key", "value", "attention", "output"] as const satisfies (keyof HeadErrors)[]
      ).entries()) {
        expect(errors[name][0]).toBeCloseTo(expected[at]!, 12);
        expect(errors[name][1]).toBeCloseTo(expected[at]! / 2, 12);
      }
    },
  );

  it("returns a single sample unchanged, and nothing before the first", () => {
    const mean = createErrorMean();
    expect(mean.result()).toEqual([]);
    mean.add([pair([0.1, 0.2, 0.3, 0.7])], 3);
    expect(mean.result()).toEqual([pair([0.1, 0.2, 0.3, 0.7])]);
  });

  it("rejects other pairs and useless weights", () => {
    const mean = createErrorMean();
    mean.add([pair([1, 1, 1, 1])]);
    expect(() => mean.add([pair([1, 1, 1, 1], "K2")])).toThrow(/K8\/V4 \(2 heads\), got K2\/V4/);
    expect(() => mean.add([])).toThrow(/got none/);
    expect(() => mean.add([pair([1, 1, 1, 1])], 0)).toThrow(/positive/);
  });
});
