import { fc, test } from "@fast-check/vitest";
import {
  equivalentBits,
  layerScheme,
  MODES,
  planBytes,
  trueBits,
  type CacheShape,
  type LayerScheme,
  type Pair,
} from "@kvtuner/plan";
import { describe, expect } from "vitest";
import {
  cheapestPlan,
  idsOf,
  namedChoices,
  planCost,
  planLayers,
  planOfIds,
  pricedSpace,
  searchSpace,
} from "./space.ts";

const sizes = fc.record({
  kvHeads: fc.integer({ min: 1, max: 4 }),
  headSize: fc.constantFrom(32, 64, 128),
  span: fc.constantFrom(2, 30, 200, 1024, 100_000),
});

const uneven: fc.Arbitrary<CacheShape> = fc.array(sizes, { minLength: 1, maxLength: 5 }).map((perLayer) => ({
  layers: perLayer.length,
  queryHeads: 4,
  kvHeads: 2,
  headSize: 64,
  perLayer,
}));

const bits = fc.constantFrom<Pair["key"]>(2, 3, 4, 8, 16);

const scheme = fc
  .tuple(
    fc.tuple(fc.constantFrom(...MODES), fc.constantFrom(...MODES)),
    fc.record({ key: bits, value: bits }),
    fc.constantFrom({}, { sinks: 4 }, { recent: 8 }),
  )
  .map(([[keys, values], pair, overrides]) => layerScheme(`${keys}/${values}`, pair, overrides));

const schemes = fc.uniqueArray(scheme, { minLength: 1, maxLength: 6, selector: (one) => JSON.stringify(one) });

describe("a search space over layers of several sizes and spans", () => {
  test.prop([uneven, schemes, fc.infiniteStream(fc.nat()), fc.integer({ min: 1, max: 5000 })])(
    "prices every plan, choice by choice, as the plan itself is counted",
    (shape, all, numbers, context) => {
      const space = pricedSpace(shape, namedChoices(all), { context, cost: "true" });
      const plan = Array.from({ length: shape.layers }, () => numbers.next().value % all.length);
      const assembled = { shape, layers: planLayers(space, plan) };
      const { bytes, bits: bitsOfPlan, equivalentBits: codes } = planCost(space, plan);
      expect(bytes).toBe(planBytes(assembled, context).total);
      expect(bitsOfPlan).toBeCloseTo(trueBits(assembled, context), 9);
      expect(codes).toBeCloseTo(equivalentBits(assembled), 9);
      expect(planCost(space, cheapestPlan(space.bytes)).bytes).toBeLessThanOrEqual(bytes);
      for (const [layer, choice] of plan.entries()) {
        const other = (choice + 1) % all.length;
        const layers: LayerScheme[] = assembled.layers.with(layer, all[other]!);
        const difference = (space.bytes[layer]?.[other] ?? 0) - (space.bytes[layer]?.[choice] ?? 0);
        expect(bytes + difference).toBe(planBytes({ shape, layers }, context).total);
      }
    },
  );

  test("codecs mix the keys of each mode with the values of each, with one rule for exact tokens", () => {
    const pairs = [8, 2].flatMap((key) => [16, 2].map((value) => ({ key, value }) as Pair));
    const codecs = ["compact", "kivi"] as const;
    const shape = { layers: 1, queryHeads: 1, kvHeads: 1, headSize: 64 };
    const { choices } = searchSpace(shape, { mode: "compact", codecs, pairs, context: 100, cost: "true" });
    // Two kinds of keys of two widths, and two kinds of values of one width or, in both, 16 bits.
    expect(choices).toHaveLength(4 * 3);
    for (const choice of choices) expect(choice.scheme.residency).toEqual({ kind: "prefix", sinks: 4, recent: 32 });
    expect(choices.map(({ label }) => label)).toContain("kivi/compact:K2V2");
  });

  test.prop([uneven, schemes])("names choices of one pair apart, and finds a plan by its ids", (shape, all) => {
    const space = pricedSpace(shape, namedChoices(all), { context: 100, cost: "equivalent" });
    for (const name of ["id", "label"] as const)
      expect(new Set(space.choices.map((choice) => choice[name])).size).toBe(all.length);
    const plan = Array.from({ length: shape.layers }, (_, layer) => layer % all.length);
    expect(planOfIds(space, idsOf(space, plan))).toEqual(plan);
  });
});
