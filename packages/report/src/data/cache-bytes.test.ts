import { fc, test } from "@fast-check/vitest";
import { layerScheme, MODES, planBytes, type Bits, type CacheShape } from "@kvtuner/plan";
import { describe, expect, test as example } from "vitest";
import { bytesOfLayers, EXACT_LAYER, exactCacheBytes, largestContext } from "./cache-bytes.ts";

const SHAPE = { layers: 3, queryHeads: 4, kvHeads: 2, headSize: 32 };

const bits = fc.constantFrom<Bits>(2, 3, 4, 8);

const layers = fc
  .tuple(fc.constantFrom(...MODES), fc.array(fc.record({ key: bits, value: bits }), { minLength: 3, maxLength: 3 }))
  .map(([mode, pairs]) => pairs.map((pair) => layerScheme(mode, pair)));

/** No spans, or some layers with a span, or all. */
const spans = fc.oneof(
  fc.constant([undefined, undefined, undefined]),
  fc.array(fc.constantFrom(undefined, 1, 7, 40, 300), { minLength: 3, maxLength: 3 }),
);

describe("largestContext", () => {
  test.prop([layers, spans, fc.constantFrom({}, { sinks: 5 }, { recent: 50 }), fc.integer({ min: 0, max: 100_000 })])(
    "is the longest context to which a cache grown token by token stays within the budget",
    (schemes, ofLayers, residency, budget) => {
      const plan = schemes.map((scheme) => ({ ...scheme, residency: { ...scheme.residency, ...residency } }));
      const shape: CacheShape = { ...SHAPE, perLayer: ofLayers.map((span) => (span === undefined ? {} : { span })) };
      let tokens = 0;
      while (tokens < 1200 && planBytes({ layers: plan, shape }, tokens + 1).total <= budget) tokens++;
      const largest = largestContext(bytesOfLayers(plan, shape), plan, shape, budget);
      if (tokens < 1200) expect(largest).toBe(tokens);
      else expect(largest).toBeGreaterThanOrEqual(tokens);
    },
  );

  example("a cache whose layers all have spans stops growing", () => {
    const plan = Array.from({ length: 3 }, () => layerScheme("compact", { key: 4, value: 4 }));
    const shape = { ...SHAPE, span: 100 };
    const bytesAt = bytesOfLayers(plan, shape);
    const lengths = Array.from({ length: 1000 }, (_, tokens) => tokens);
    const most = Math.max(...lengths.map(bytesAt));
    expect(largestContext(bytesAt, plan, shape, most)).toBe(2 ** 40);
    expect(largestContext(bytesAt, plan, shape, most - 1)).toBe(lengths.map(bytesAt).indexOf(most) - 1);
  });

  example("16 bits grow evenly", () => {
    const plan = Array.from({ length: 3 }, () => EXACT_LAYER);
    expect(exactCacheBytes(SHAPE, 1)).toBe(3 * 2 * 2 * 32 * 2);
    expect(largestContext(bytesOfLayers(plan, SHAPE), plan, SHAPE, exactCacheBytes(SHAPE, 5000))).toBe(5000);
  });
});
