import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import type { Genome } from "../ask-tell.ts";
import { randomFromSeed } from "../random.ts";
import { additiveFeatures, cleanLosses, logOfLoss } from "./additive-features.ts";
import { rankCorrelation } from "./agreement.ts";
import { fitBestModel } from "./choose-scales.ts";
import { fitResidualModel, type Observation } from "./residual-model.ts";

const single = cleanLosses(Array.from({ length: 5 }, (_, gene) => [0, 1 + gene, 20 - gene, 100]));
const scales = { offset: 1, bend: 0.3, bendLength: 1, single: 0.5, noise: 0.1 };
const genome = fc.array(fc.nat(3), { minLength: 5, maxLength: 5 });
const observations: fc.Arbitrary<Observation[]> = fc
  .array(fc.tuple(genome, fc.integer({ min: -20, max: 20 })), { minLength: 2, maxLength: 10 })
  .map((all) => all.map(([one, off]) => ({ genome: one, logLoss: additiveFeatures(one, single).logLoss + off / 10 })));

test("without observations, predicts the sum of single losses", () => {
  const model = fitResidualModel(single, [], scales);
  expect(model.predict([1, 1, 1, 1, 1]).mean).toBeCloseTo(Math.log(15), 12);
  expect(model.correctedLosses()).toEqual(single.losses);
});

test.prop([observations])("leaving one out is fitting without it", (all) => {
  const left = fitResidualModel(single, all, scales).leaveOneOut();
  for (const [index, { genome: one }] of all.entries()) {
    const others = all.filter((_, other) => other !== index);
    expect(left[index]).toBeCloseTo(fitResidualModel(single, others, scales).predict(one).mean, 6);
  }
});

test.prop([observations, genome])("an observation makes no prediction less certain", (all, one) => {
  const variance = (count: number): number =>
    fitResidualModel(single, all.slice(0, count), scales).predict(one).variance;
  expect(variance(all.length)).toBeLessThanOrEqual(variance(all.length - 1) + 1e-9);
});

test.prop([observations], { numRuns: 20 })("with little noise, meets what it was told", (all) => {
  const distinct = [...new Map(all.map((one) => [one.genome.join(), one])).values()];
  const shared = distinct.map((one) => ({ ...one, logLoss: additiveFeatures(one.genome, single).logLoss + 0.7 }));
  const model = fitResidualModel(single, shared, { ...scales, noise: 1e-3 });
  for (const { genome: one, logLoss } of shared) expect(model.predict(one).mean).toBeCloseTo(logLoss, 2);
});

/** Pseudorandom genomes whose gene 0 loses four times what it does alone. */
const biased = (count: number): Observation[] => {
  const random = randomFromSeed(5);
  return Array.from({ length: count }, () => {
    const one: Genome = single.losses.map((row) => random.below(row.length));
    const { losses } = single;
    const loss = one.reduce((sum, choice, gene) => sum + losses[gene]![choice]! * (gene === 0 ? 4 : 1), 0);
    return { genome: one, logLoss: logOfLoss(loss, single.floor) };
  });
};

test("learns which single loss is wrong, and then predicts unseen genomes better than the sums do", () => {
  const [told, unseen] = [biased(60).slice(0, 40), biased(60).slice(40)];
  const model = fitBestModel(single, told);
  const ratio = (gene: number): number => model.correctedLosses()[gene]![3]! / single.losses[gene]![3]!;
  for (const gene of [1, 2, 3, 4]) expect(ratio(0)).toBeGreaterThan(1.5 * ratio(gene));
  const error = (predict: (one: Genome) => number): number =>
    unseen.reduce((sum, one) => sum + (predict(one.genome) - one.logLoss) ** 2, 0);
  const ofSums = error((one) => additiveFeatures(one, single).logLoss);
  expect(error((one) => model.predict(one).mean)).toBeLessThan(0.2 * ofSums);
});

test("samples of losses scatter about the corrected losses", () => {
  const model = fitResidualModel(single, biased(30), scales);
  const random = randomFromSeed(9);
  const samples = Array.from({ length: 400 }, () => model.sampleLosses(random));
  for (const [gene, row] of model.correctedLosses().entries()) {
    for (const [choice, corrected] of row.entries()) {
      if (corrected === 0) continue;
      const logs = samples.map((sample) => Math.log(sample[gene]![choice]! / corrected));
      const mean = logs.reduce((a, b) => a + b, 0) / logs.length;
      // Prior deviation 0.5, of 400 samples: 0.025 for the mean.
      expect(Math.abs(mean)).toBeLessThan(0.1);
    }
  }
});

test("rank correlation shares ranks among ties", () => {
  expect(rankCorrelation([1, 5, 9], [2, 3, 100])).toBe(1);
  expect(rankCorrelation([1, 5, 9], [3, 2, 1])).toBe(-1);
  expect(rankCorrelation([1, 2, 2, 3], [1, 2, 3, 4])).toBeCloseTo(4.5 / Math.sqrt(4.5 * 5), 12);
  expect([rankCorrelation([1, 1], [1, 2]), rankCorrelation([], [])]).toEqual([0, 0]);
});
