import { expect, test } from "vitest";
import { planCost, searchSpace } from "../space/space.ts";
import { assertReachable, LimitUnmetError, type Limit } from "./limits.ts";

const SPACE = { mode: "compact", pairs: [{ key: 2, value: 2 }], context: 4099, cost: "true" } as const;

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
  const bits = Number(/takes ([\d.]+) bits at 4099 tokens/.exec(refusal({ kind: "bits", bits: 1 }))?.[1]);
  assertReachable({ kind: "bits", bits }, space);
});

test("a limit that is not met, and the smallest plan, are told in one unit", () => {
  const refused = [
    refusal({ kind: "bytes", bytes: 10 }),
    refusal({ kind: "bits", bits: 1 }),
    refusal({ kind: "equivalent-bits", bits: 1 }),
  ].map((message) => /got (.*?); the smallest plan, K2V2 in every layer, takes (.*?);/.exec(message)?.slice(1));
  expect(refused).toEqual([
    ["10 bytes (10 B)", expect.stringMatching(/^\d+ bytes \([\d.]+ KB\) at 4099 tokens$/)],
    ["1 bits", expect.stringMatching(/^\d\.\d{3} bits at 4099 tokens$/)],
    ["1 equivalent bits", "2.000 equivalent bits"],
  ]);
  const front = [{ ...planCost(space, [0, 0, 0]), kl: 0.5 }];
  for (const [limit, cost] of [
    [{ kind: "equivalent-bits", bits: 1 }, "2.000 equivalent bits"],
    [{ kind: "bits", bits: 1 }, "bits"],
    [{ kind: "kl", kl: 0.1 }, "B)"],
  ] as const)
    expect(new LimitUnmetError(limit, front).message).toMatch(
      new RegExp(`smallest plan takes [^;]*${cost.replace(")", "\\)")} and the best has KL 0.500`),
    );
});

test("the smallest plan in equivalent bits is that of the fewest bits of codes", () => {
  const pairs = [{ key: 8, value: 2 } as const, { key: 2, value: 4 } as const];
  const other = searchSpace(space.shape, { ...SPACE, pairs });
  expect(() => assertReachable({ kind: "equivalent-bits", bits: 2.9 }, other)).toThrow(
    /K2V4 .* 3\.000 equivalent bits/,
  );
  expect(() => assertReachable({ kind: "equivalent-bits", bits: 3 }, other)).not.toThrow();
});

test("what a refusal advises makes the plan smaller in what was asked for", () => {
  const { shape, bytes } = space;
  const longer = searchSpace(shape, { ...SPACE, context: 2 * SPACE.context });
  const choice = Array<number>(shape.layers).fill(0);
  expect(refusal({ kind: "bytes", bytes: 10 })).toContain("shorten --context");
  expect(longer.bytes[0]?.[0]).toBeGreaterThan(bytes[0]?.[0] ?? Infinity);
  expect(refusal({ kind: "bits", bits: 1 })).toContain("lengthen --context");
  expect(planCost(longer, choice).bits).toBeLessThan(planCost(space, choice).bits);
});
