import { fc, test } from "@fast-check/vitest";
import { layerScheme } from "@kvtuner/plan";
import { describe, expect } from "vitest";
import { namedChoices, pricedSpace, searchSpace } from "../space/space.ts";
import { leadInErrors } from "./objectives/task.ts";
import { makeFront, pickPlan, type FrontPlan } from "./pick.ts";

const SHAPE = { layers: 3, queryHeads: 2, kvHeads: 1, headSize: 64 };

const plan = (bytes: number, kl: number): FrontPlan => ({
  choices: [`K${bytes}`],
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
    cost: "true",
  });
  const entry = fc.record({
    choices: fc.array(fc.constantFrom(...space.choices.map(({ id }) => id)), { minLength: 3, maxLength: 3 }),
    kl: fc.double({ min: 1e-6, max: 1, noNaN: true }),
    klStandardError: fc.constant(0),
    top1: fc.constant(1),
    perplexity: fc.constant(1),
  });

  test.prop([fc.uniqueArray(entry, { minLength: 1, selector: ({ choices }) => choices.join() })])(
    "keeps exactly the plans no other beats, in whatever order they were evaluated",
    (entries) => {
      const { front, evaluations } = makeFront(space, entries);
      expect(evaluations).toBe(entries.length);
      expect(makeFront(space, entries.toReversed()).front).toEqual(front);
      const bitsOf = (choices: readonly string[]): number =>
        choices.reduce((sum, id) => sum + Number(/K(\d)/.exec(id)?.[1]), 0);
      const beaten = entries.filter((one) =>
        entries.some((other) => {
          const [cost, otherCost] = [bitsOf(one.choices), bitsOf(other.choices)];
          return other.kl <= one.kl && otherCost <= cost && (other.kl < one.kl || otherCost < cost);
        }),
      );
      const expected = new Set(
        entries.filter((one) => !beaten.includes(one)).map(({ kl, choices }) => `${kl} ${bitsOf(choices)}`),
      );
      expect(front.map(({ kl, choices }) => `${kl} ${bitsOf(choices)}`).toSorted()).toEqual([...expected].toSorted());
    },
  );

  test("choices of one pair are told apart", () => {
    const schemes = [{}, { sinks: 4 }].map((overrides) => layerScheme("kivi", { key: 4, value: 4 }, overrides));
    const other = pricedSpace(SHAPE, namedChoices(schemes), { context: 128, cost: "true" });
    const entries = ["kivi:K4V4", "kivi:K4V4+sinks4"].map((id, index) => ({
      choices: Array<string>(3).fill(id),
      kl: 0.1 - 0.01 * index,
      klStandardError: 0,
    }));
    const { front } = makeFront(other, entries);
    expect(front.map(({ choices }) => choices)).toEqual(entries.map(({ choices }) => choices));
    expect(new Set(front.flatMap(({ pairs }) => pairs))).toEqual(new Set(["K4V4"]));
  });

  test("hypervolume of two plans, by hand", () => {
    const [one, other] = [
      { choices: Array<string>(3).fill("per-token:K4V4"), kl: 0.01, klStandardError: 0, top1: 1, perplexity: 1 },
      { choices: Array<string>(3).fill("per-token:K2V2"), kl: 0.1, klStandardError: 0, top1: 1, perplexity: 1 },
    ];
    // (0 - -2) x (8 - 4), and below it (0 - -1) x (4 - 2).
    expect(makeFront(space, [one, other]).hypervolume).toBeCloseTo(2 * 4 + 1 * 2, 12);
  });
});

describe("pickPlan by a task", () => {
  const answeredPlan = (bytes: number, kl: number, correct: readonly boolean[]): FrontPlan => {
    const accuracy = correct.filter(Boolean).length / correct.length;
    const accuracyStandardError = Math.sqrt((accuracy * (1 - accuracy)) / correct.length);
    const answers = { prompts: correct.length, isComplete: true, correct: correct.map(Number).join("") };
    const task = { accuracy, accuracyStandardError, floatAccuracy: 1, pValue: 1, ...answers };
    return { ...plan(bytes, kl), task };
  };
  const answered = fc
    .tuple(
      fc.integer({ min: 100, max: 500 }),
      fc.double({ min: 1e-6, max: 1, noNaN: true }),
      fc.array(fc.boolean(), { minLength: 40, maxLength: 40 }),
    )
    .map((parts) => answeredPlan(...parts));
  const plans = fc.array(answered, { minLength: 1, maxLength: 12 });
  const answersOf = (one: FrontPlan): boolean[] => Array.from(one.task?.correct ?? "", (digit) => digit === "1");
  const accuracyOf = (one: FrontPlan): number => one.task?.accuracy ?? Number.NaN;

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
      const [best] = fitting.toSorted((one, other) => accuracyOf(other) - accuracyOf(one) || one.kl - other.kl);
      const isEqual = (one: FrontPlan): boolean => leadInErrors(answersOf(best!), answersOf(one)) <= 1;
      const equals = fitting.filter(isEqual);
      expect(equals).toContain(picked);
      expect(picked.kl).toBe(Math.min(...equals.map(({ kl }) => kl)));
      const cheapest = pickPlan(fitting, { kind: "knee" }, objective);
      expect(cheapest?.bytes).toBe(Math.min(...equals.map((one) => one.bytes)));
    },
  );

  /** Of 300 prompts, 240 right; then so many of those lost and of the others gained. */
  const changed = (lost: number, gained: number): boolean[] =>
    Array.from({ length: 300 }, (_, index) => (index >= lost && index < 240) || index >= 300 - gained);

  test.each([
    [1, 0, true],
    [2, 1, true],
    [10, 9, true],
    [30, 22, false],
    [30, 24, true],
    [2, 0, false],
    [10, 0, false],
  ])("a plan of less loss that loses %i prompts and gains %i counts as equal: %j", (lost, gained, isEqual) => {
    const best = answeredPlan(400, 0.1, changed(0, 0));
    const other = answeredPlan(300, 0.01, changed(lost, gained));
    expect(pickPlan([other, best], { kind: "bytes", bytes: 400 }, "task")).toBe(isEqual ? other : best);
  });
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
