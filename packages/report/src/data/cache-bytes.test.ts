import { fc, test } from "@fast-check/vitest";
import { layerScheme, MODES, planBytes, type Bits } from "@kvtuner/plan";
import { describe, expect, test as example } from "vitest";
import { bytesOfLayers, EXACT_LAYER, exactCacheBytes, largestContext } from "./cache-bytes.ts";

const SHAPE = { layers: 3, queryHeads: 4, kvHeads: 2, headSize: 32 };

const bits = fc.constantFrom<Bits>(2, 3, 4, 8);

const layers = fc
  .tuple(fc.constantFrom(...MODES), fc.array(fc.record({ key: bits, value: bits }), { minLength: 3, maxLength: 3 }))
  .map(([mode, pairs]) => pairs.map((pair) => layerScheme(mode, pair)));

describe("largestContext", () => {
  test.prop([layers, fc.integer({ min: 0, max: 300_000 })])(
    "is the longest context to which a cache grown token by token stays within the budget",
    (plan, budget) => {
      let tokens = 0;
      while (planBytes({ layers: plan, shape: SHAPE }, tokens + 1).total <= budget) tokens++;
      expect(largestContext(bytesOfLayers(plan, SHAPE), plan, budget)).toBe(tokens);
    },
  );

  example("16 bits grow evenly", () => {
    const plan = Array.from({ length: 3 }, () => EXACT_LAYER);
    expect(exactCacheBytes(SHAPE, 1)).toBe(3 * 2 * 2 * 32 * 2);
    expect(largestContext(bytesOfLayers(plan, SHAPE), plan, exactCacheBytes(SHAPE, 5000))).toBe(5000);
  });
});
