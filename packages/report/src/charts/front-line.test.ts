import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { unbeaten } from "./front-line.ts";

interface Costly {
  readonly bits: number;
  readonly kl: number;
}

// Few values, so that many are equal.
const points = fc.array(fc.record({ bits: fc.integer({ min: 2, max: 6 }), kl: fc.integer({ min: 0, max: 4 }) }));

const isAtLeast = (one: Costly, other: Costly): boolean => one.bits <= other.bits && one.kl <= other.kl;

test.prop([points])("along a front bits rise and loss falls, and no point has less of both than one of it", (all) => {
  const front = unbeaten(all, ({ kl }) => kl);
  for (const point of front) expect(all).toContain(point);
  for (const point of all) expect(front.some((best) => isAtLeast(best, point))).toBe(true);
  for (const [index, { bits, kl }] of front.slice(1).entries()) {
    expect(bits).toBeGreaterThan(front[index]?.bits ?? Infinity);
    expect(kl).toBeLessThan(front[index]?.kl ?? -Infinity);
  }
});
