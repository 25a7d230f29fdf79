import { fc, test } from "@fast-check/vitest";
import { expect, it } from "vitest";
import { samplePositions, sampleQueries } from "./index.ts";

test.prop([fc.integer({ min: 1, max: 600 }), fc.integer({ min: 1, max: 64 })])(
  "samples rising positions evenly, including the last token",
  (tokens, count) => {
    const positions = Array.from(samplePositions(tokens, count));
    expect(positions).toHaveLength(Math.min(tokens, count));
    expect(positions.at(-1)).toBe(tokens - 1);
    const steps = positions.map((position, index) => position - (positions[index - 1] ?? -1));
    expect(Math.min(...steps)).toBeGreaterThanOrEqual(1);
    expect(Math.max(...steps) - Math.min(...steps)).toBeLessThanOrEqual(1);
  },
);

it("takes the rows at those positions", () => {
  const query = Float32Array.from({ length: 12 }, (_, index) => index);
  const sampled = sampleQueries(query, 4, 2);
  expect(sampled).toEqual({ query: Float32Array.of(3, 4, 5, 9, 10, 11), queryPositions: Int32Array.of(1, 3) });
  expect(() => sampleQueries(query, 5, 2)).toThrow(/5 rows of equal width/);
});
