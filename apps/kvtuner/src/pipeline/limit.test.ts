import { expect, test } from "vitest";

import { assertReachable, type Limit } from "./limit.ts";
import { planCost, searchSpace } from "./space.ts";

const SPACE = { mode: "compact", pairs: [{ key: 2, value: 2 }], context: 4099, costKind: "true" } as const;

const space = searchSpace({ layers: 3, queryHeads: 2, kvHeads: 1, headSize: 64 }, SPACE);

const refusal = (limit: Limit): string => {
  try {
    assertReachable(limit, space);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error("expected a refusal");
};

test("the size that a refusal names is accepted, and one byte less is not", () => {
  const bytes = Number(/takes (\d+) bytes/.exec(refusal({ kind: "bytes", bytes: 10 }))?.[1]);
  assertReachable({ kind: "bytes", bytes }, space);
  expect(refusal({ kind: "bytes", bytes: bytes - 1 })).toContain(`${bytes - 1} bytes`);
  const bits = Number(/, ([\d.]+) bits,/.exec(refusal({ kind: "bits", bits: 1 }))?.[1]);
  assertReachable({ kind: "bits", bits }, space);
});

test("what a refusal advises makes the plan smaller in what was asked for", () => {
  const { shape, layerBytes } = space;
  const longer = searchSpace(shape, { ...SPACE, context: 2 * SPACE.context });
  const choice = Array<number>(shape.layers).fill(0);
  expect(refusal({ kind: "bytes", bytes: 10 })).toContain("shorten --context");
  expect(longer.layerBytes[0]).toBeGreaterThan(layerBytes[0] ?? Infinity);
  expect(refusal({ kind: "bits", bits: 1 })).toContain("lengthen --context");
  expect(planCost(longer, choice).bits).toBeLessThan(planCost(space, choice).bits);
});
