import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";

import { makeFront, pickPlan, type FrontPlan } from "./pick.ts";
import { searchSpace } from "./space.ts";

const SHAPE = { layers: 3, queryHeads: 2, kvHeads: 1, headSize: 64 };

const plan = (bytes: number, kl: number): FrontPlan => ({
  pairs: [`K${bytes}`],
  bytes,
  bits: bytes / 100,
  equivalentBits: bytes / 100,
  bytesPerToken: bytes,
  kl,
  klStandardError: 0,
});

describe("makeFront", () => {
  const space = searchSpace(SHAPE, {
    mode: "per-token",
    pairs: [8, 4, 2].map((bits) => ({ key: bits as 8, value: bits as 8 })),
    context: 128,
    costKind: "true",
  });
  const entry = fc.record({
    pairs: fc.array(fc.constantFrom("K8V8", "K4V4", "K2V2"), { minLength: 3, maxLength: 3 }),
    kl: fc.double({ min: 1e-6, max: 1, noNaN: true }),
    klStandardError: fc.constant(0),
    top1: fc.constant(1),
    perplexity: fc.constant(1),
  });

  test.prop([fc.uniqueArray(entry, { minLength: 1, selector: ({ pairs }) => pairs.join() })])(
    "keeps exactly the plans no other beats, in whatever order they were evaluated",
    (entries) => {
      const { front, evaluations } = makeFront(space, entries);
      expect(evaluations).toBe(entries.length);
      expect(makeFront(space, entries.toReversed()).front).toEqual(front);
      const bitsOf = (pairs: readonly string[]): number => pairs.reduce((sum, name) => sum + Number(name[1]), 0);
      const beaten = entries.filter((one) =>
        entries.some((other) => {
          const [cost, otherCost] = [bitsOf(one.pairs), bitsOf(other.pairs)];
          return other.kl <= one.kl && otherCost <= cost && (other.kl < one.kl || otherCost < cost);
        }),
      );
      const expected = new Set(
        entries.filter((one) => !beaten.includes(one)).map(({ kl, pairs }) => `${kl} ${bitsOf(pairs)}`),
      );
      expect(front.map(({ kl, pairs }) => `${kl} ${bitsOf(pairs)}`).toSorted()).toEqual([...expected].toSorted());
    },
  );

  test("hypervolume of two plans, by hand", () => {
    const [one, other] = [
      { pairs: ["K4V4", "K4V4", "K4V4"], kl: 0.01, klStandardError: 0, top1: 1, perplexity: 1 },
      { pairs: ["K2V2", "K2V2", "K2V2"], kl: 0.1, klStandardError: 0, top1: 1, perplexity: 1 },
    ];
    // (0 - -2) x (8 - 4), and below it (0 - -1) x (4 - 2).
    expect(makeFront(space, [one, other]).hypervolume).toBeCloseTo(2 * 4 + 1 * 2, 12);
  });
});

describe("pickPlan by a task", () => {
  const answered = fc
    .record({
      bytes: fc.integer({ min: 100, max: 500 }),
      kl: fc.double({ min: 1e-6, max: 1, noNaN: true }),
      right: fc.integer({ min: 0, max: 200 }),
    })
    .map(({ bytes, kl, right }): FrontPlan => {
      const accuracy = right / 200;
      const accuracyStandardError = Math.sqrt((accuracy * (1 - accuracy)) / 199);
      const task = { accuracy, accuracyStandardError, floatAccuracy: 1, pValue: 1, prompts: 200, isComplete: true };
      return { ...plan(bytes, kl), task };
    });
  const plans = fc.array(answered, { minLength: 1, maxLength: 12 });
  const accuracyOf = (one: FrontPlan | undefined): number => one?.task?.accuracy ?? Number.NaN;

  test.prop([plans, fc.integer({ min: 100, max: 500 }), fc.constantFrom("task" as const, "both" as const)])(
    "a plan that is ahead by a standard error is never passed over; nearer ones do not count as better",
    (front, bytes, objective) => {
      const limit = { kind: "bytes", bytes } as const;
      const fitting = front.filter((one) => one.bytes <= bytes);
      const picked = pickPlan(front, limit, objective);
      if (picked === undefined) {
        expect(fitting).toEqual([]);
        return;
      }
      const best = fitting.reduce((one, other) => (accuracyOf(other) > accuracyOf(one) ? other : one));
      const error = Math.max(best.task?.accuracyStandardError ?? 0, 1 / 200);
      expect(accuracyOf(picked)).toBeGreaterThanOrEqual(accuracyOf(best) - error);
      const equals = fitting.filter((one) => accuracyOf(one) >= accuracyOf(best) - error);
      expect(picked.kl).toBe(Math.min(...equals.map(({ kl }) => kl)));
      const cheapest = pickPlan(fitting, { kind: "knee" }, objective);
      expect(cheapest?.bytes).toBe(Math.min(...equals.map((one) => one.bytes)));
    },
  );
});

describe("pickPlan", () => {
  const front = [plan(200, 0.1), plan(300, 0.005), plan(400, 0.0045), plan(500, 0.0001)];

  test.each([
    [{ kind: "bytes", bytes: 399 }, 300],
    [{ kind: "bytes", bytes: 400 }, 400],
    [{ kind: "bits", bits: 4.5 }, 400],
    [{ kind: "kl", kl: 0.01 }, 300],
    [{ kind: "kl", kl: 0.0001 }, 500],
    [{ kind: "knee" }, 300],
    [{ kind: "bytes", bytes: 199 }, undefined],
    [{ kind: "kl", kl: 0.00001 }, undefined],
  ] as const)("%j", (limit, bytes) => {
    expect(pickPlan(front, limit)?.bytes).toBe(bytes);
  });
});
