import { fc, test } from "@fast-check/vitest";
import { type CacheShape, layerBytes, layerScheme, MODES, planBytes, plainAttention } from "@kvtuner/plan";
import { expect } from "vitest";
import { arenaOfLayers } from "./arena-of-layers.ts";
import { createArena, MAX_ARENA_BYTES } from "./arena.ts";
import { MAX_CACHE_BYTES, MAX_TOKENS } from "./capabilities.ts";
import { createEngine } from "./create-engine.ts";
import { PackedLayer } from "./packed-layer.ts";

const CLAIM = { maxCacheBytes: MAX_CACHE_BYTES, maxTokens: MAX_TOKENS };

const shapes: fc.Arbitrary<CacheShape> = fc
  .record({
    layers: fc.integer({ min: 1, max: 80 }),
    kvHeads: fc.constantFrom(1, 2, 3, 8, 16),
    headSize: fc.constantFrom(16, 64, 80, 128, 256),
  })
  .map((shape) => ({ ...shape, queryHeads: shape.kvHeads }));

const layers = fc
  .record({ mode: fc.constantFrom(...MODES), key: fc.constantFrom(2, 4, 8, 16), value: fc.constantFrom(2, 3, 8, 16) })
  .map(({ mode, key, value }) => layerScheme(mode, { key, value }));

const plans = shapes.chain((shape) =>
  fc.array(layers, { minLength: shape.layers, maxLength: shape.layers }).map((chosen) => ({ shape, layers: chosen })),
);

const engine = await createEngine(1);

test.prop([plans])("every claimed cache fits, except layers larger than a memory", async (plan) => {
  const places = arenaOfLayers(plan, CLAIM);
  const tokens = largestLength((length) => planBytes(plan, length).total <= MAX_CACHE_BYTES);
  const arena = await createArena(engine);
  for (let place = 0; place <= places.at(-1)!; place++) {
    const inside = plan.layers.filter((_, layer) => places[layer] === place);
    expect(inside.length).toBeGreaterThan(0);
    const packed = inside.map(
      (scheme) => new PackedLayer(engine, arena, scheme, plan.shape, plainAttention(plan.shape.headSize)),
    );
    const neededBytes = packed.reduce((sum, layer) => sum + layer.neededBytes(tokens), 0);
    if (inside.length > 1 || layerBytes(inside[0]!, plan.shape, tokens).total < 2 ** 31)
      expect(neededBytes).toBeLessThan(MAX_ARENA_BYTES - 2 ** 26);
  }
});

test.prop([plans, fc.integer({ min: 0, max: 30 })])("a cache of at most 1 GiB has one memory", (plan, power) => {
  const limits = { maxCacheBytes: 2 ** power, maxTokens: MAX_TOKENS };
  expect(new Set(arenaOfLayers(plan, limits))).toEqual(new Set([0]));
});

const largestLength = (fits: (length: number) => boolean): number => {
  let length = 0;
  for (let step = MAX_TOKENS; step >= 1; step /= 2)
    if (length + step <= MAX_TOKENS && fits(length + step)) length += step;
  return length;
};
