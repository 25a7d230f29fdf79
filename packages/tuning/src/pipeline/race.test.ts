import { fc, test as property } from "@fast-check/vitest";
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { describe, expect, test } from "vitest";
import { objectivesOf } from "./objectives/objectives.ts";
import { leadInErrors } from "./objectives/task.ts";
import { isBeaten, raceRounds, type Racer } from "./race.ts";

const [TASK, BOTH] = [objectivesOf("task"), objectivesOf("both")];

const answers = fc.array(fc.boolean(), { minLength: 1, maxLength: 120 });
const racer: fc.Arbitrary<Racer> = fc
  .record({ correct: answers, cost: fc.nat(5) })
  .map((one) => ({ ...one, kl: one.correct.map(Number) }));
const rightOf = (correct: readonly boolean[], prompts: number): number =>
  correct.slice(0, prompts).filter(Boolean).length;

property.prop([racer, fc.array(racer, { maxLength: 8 }), fc.nat(400).map((n) => n / 101)])(
  "only a rival of no more cost and more right answers to the same prompts beats a plan",
  (one, rivals, margin) => {
    const able = rivals.filter(({ correct, cost }) => {
      const prompts = Math.min(correct.length, one.correct.length);
      return cost <= one.cost && rightOf(correct, prompts) > rightOf(one.correct, prompts);
    });
    expect(isBeaten(one, rivals, TASK, margin)).toBe(isBeaten(one, able, TASK, margin));
    expect(isBeaten(one, [one, ...rivals], TASK, margin)).toBe(isBeaten(one, rivals, TASK, margin));
  },
);

test("where KL is an objective, a plan of less is not beaten, counted on the prompts that both were asked", () => {
  const answered = (correct: boolean, kl: readonly number[]): Racer => ({
    correct: kl.map(() => correct),
    cost: 1,
    kl,
  });
  const of = (length: number, kl: number): number[] => Array<number>(length).fill(kl);
  const wrong = answered(false, of(25, 0.1));
  expect(isBeaten(wrong, [answered(true, of(25, 0.2))], BOTH)).toBe(false);
  for (const kl of [0.1, 0.05]) expect(isBeaten(wrong, [answered(true, of(25, kl))], BOTH)).toBe(true);
  expect(isBeaten(wrong, [answered(true, [...of(25, 0.05), ...of(75, 9)])], BOTH)).toBe(true);
  expect(isBeaten(wrong, [answered(true, [...of(25, 0.2), ...of(75, 0)])], BOTH)).toBe(false);
  expect(isBeaten(wrong, [answered(true, of(25, 0.2))], TASK)).toBe(true);
});

property.prop([answers, answers])("a lead turned round has the other sign, and is finite", (first, second) => {
  expect(leadInErrors(first, second)).toBe(-leadInErrors(second, first) + 0);
  expect(leadInErrors(first, second)).toSatisfy(Number.isFinite);
});

test("rounds double up to all prompts", () => {
  expect(raceRounds(300)).toEqual([25, 50, 100, 200, 300]);
  expect(raceRounds(50)).toEqual([25, 50]);
  expect(raceRounds(7)).toEqual([7]);
});

describe("in simulated races of 300 prompts against 12 rivals", () => {
  const PROMPTS = 300;
  const RIVALS = 12;
  const RACES = 150;

  /** Runs a race: answers agree between plans on two prompts of three, as those of one model do. Whether the plan is given up. */
  const isGivenUp = (seed: number, accuracy: number, rivalAccuracy: number): boolean => {
    const random = xoroshiro128plus(seed);
    const number = (): number => uniformFloat64(random);
    const common = Array.from({ length: PROMPTS }, () => (number() < 2 / 3 ? number() : undefined));
    const answersOf = (share: number): boolean[] => common.map((shared) => (shared ?? number()) < share);
    const one = answersOf(accuracy);
    const rivals = Array.from({ length: RIVALS }, () => answersOf(rivalAccuracy));
    return raceRounds(PROMPTS)
      .slice(0, -1)
      .some((end) =>
        isBeaten(
          { correct: one.slice(0, end), kl: [], cost: 1 },
          rivals.map((correct) => ({ correct: correct.slice(0, end), kl: [], cost: 1 })),
          TASK,
        ),
      );
  };

  const givenUp = (accuracy: number, rivalAccuracy: number): number =>
    Array.from({ length: RACES }, (_, seed) => isGivenUp(seed, accuracy, rivalAccuracy)).filter(Boolean).length;

  // The standard error of an accuracy of 0.8 on 300 prompts is 0.023.
  test("a plan that is better by two standard errors is never given up", () => {
    expect(givenUp(0.846, 0.8)).toBe(0);
  });

  test("one that is as good as twelve rivals hardly ever is", () => {
    expect(givenUp(0.8, 0.8)).toBeLessThan(0.05 * RACES);
  });

  test("one that is worse by twelve standard errors is, before half of the prompts are asked", () => {
    expect(givenUp(0.53, 0.8)).toBeGreaterThan(0.95 * RACES);
  });
});
