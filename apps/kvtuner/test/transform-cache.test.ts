import { fc, test } from "@fast-check/vitest";
import { createReferenceBackend } from "@kvtuner/backend-cpu";
import { type CacheShape, type LayerScheme, planBytes } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { expect } from "vitest";
import { anyTransformOf, normalNumbers } from "../../../packages/quantizers/src/test-support/any-transform.ts";
import { mulberry32 } from "../../../packages/quantizers/src/test-support/hostile-numbers.ts";

const SHAPE: CacheShape = { layers: 1, queryHeads: 4, kvHeads: 2, headSize: 32 };

const rows = (random: () => number, heads: number, tokens: number): Tensor =>
  new Tensor("float32", normalNumbers(random, heads * tokens * SHAPE.headSize), [1, tokens, heads * SHAPE.headSize]);

test.prop(
  [
    anyTransformOf(SHAPE.kvHeads, SHAPE.headSize, "key."),
    anyTransformOf(SHAPE.kvHeads, SHAPE.headSize, "value."),
    fc.nat(3),
    fc.nat(60),
    fc.nat(60),
  ],
  { numRuns: 60 },
)("bytes are the plan's, and a restored cache goes on the same, with tables and bits by KV head", async (...given) => {
  const [key, value, sinks, first, second] = given;
  const layer: LayerScheme = { key: key.scheme, value: value.scheme, residency: { kind: "prefix", sinks, recent: 5 } };
  const plan = { shape: SHAPE, layers: [layer], assets: [...key.assets, ...value.assets] };
  const backend = createReferenceBackend();
  const cache = await backend.createCache(SHAPE, plan);
  const random = mulberry32(first);
  const call = (tokens: number): [Tensor, Tensor, Tensor] => [
    rows(random, SHAPE.queryHeads, tokens),
    rows(random, SHAPE.kvHeads, tokens),
    rows(random, SHAPE.kvHeads, tokens),
  ];
  await cache.attend(0, ...call(first + 1));
  expect(cache.bytes().total).toBe(planBytes(plan, first + 1).total);
  expect(cache.bytes().parts).toEqual(planBytes(plan, first + 1).parts);
  const restored = await backend.restoreCache(SHAPE, plan, await cache.snapshot());
  const next = call(second + 1);
  const [expected, got] = [await cache.attend(0, ...next), await restored.attend(0, ...next)];
  expect(got.data).toEqual(expected.data);
  cache.truncate(first + 1);
  restored.truncate(first + 1);
  expect(await restored.snapshot()).toEqual(await cache.snapshot());
});
