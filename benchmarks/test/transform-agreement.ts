import { createReferenceBackend } from "@kvtuner/backend-cpu";
import { type AttentionSpec, type CacheShape, plainAttention } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { expect } from "vitest";
import { HEAD_SIZE, KV_HEADS, TRANSFORM_ASSETS, TRANSFORM_LAYERS } from "./transform-layers.ts";

type Backend = ReturnType<typeof createReferenceBackend>;
type Cache = Awaited<ReturnType<Backend["createCache"]>>;

/** Reads all tokens. */
export const SHAPE: CacheShape = {
  layers: TRANSFORM_LAYERS.length,
  queryHeads: 3 * KV_HEADS,
  kvHeads: KV_HEADS,
  headSize: HEAD_SIZE,
};
const PLAN: Parameters<Backend["createCache"]>[1] = {
  shape: SHAPE,
  layers: TRANSFORM_LAYERS.map((layer) => ({ ...layer, residency: { kind: "prefix", sinks: 3, recent: 9 } })),
  assets: TRANSFORM_ASSETS,
};

/** Numbers that differ in each call. */
const rows = (tokens: number, heads: number, seed: number): Tensor => {
  let state = seed;
  const data = Float32Array.from({ length: tokens * heads * HEAD_SIZE }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return 4 * (state / 2 ** 32) - 2;
  });
  return new Tensor("float32", data, [1, tokens, heads * HEAD_SIZE]);
};

const outputOf = async (cache: Cache, layer: number, tokens: number, seed: number): Promise<Float32Array> => {
  const own = seed + 100 * layer;
  const [key, value] = [rows(tokens, KV_HEADS, own + 1), rows(tokens, KV_HEADS, own + 2)];
  return (await cache.attend(layer, rows(tokens, SHAPE.queryHeads, own), key, value)).data as Float32Array;
};

/** The output of a layer that shares the first one's cache. */
const readOf = async (cache: Cache, tokens: number, seed: number): Promise<Float32Array> =>
  (await cache.read(0, rows(tokens, SHAPE.queryHeads, seed))).data as Float32Array;

const assertClose = (expected: Float32Array, got: Float32Array, tolerance: number, what: string): void => {
  const largest = Math.max(...expected.map(Math.abs));
  const error = Math.max(...expected.map((number, at) => Math.abs(number - got[at]!)));
  expect(error / largest, `at ${what}`).toBeLessThan(tolerance);
};

const compareCalls = async (
  caches: readonly Cache[],
  calls: readonly number[],
  seed: number,
  tolerance: number,
): Promise<void> => {
  for (const [index, tokens] of calls.entries())
    for (let layer = 0; layer < SHAPE.layers; layer++) {
      const [expected, got] = await Promise.all(caches.map((cache) => outputOf(cache, layer, tokens, seed + index)));
      assertClose(expected!, got!, tolerance, `layer ${layer}, call ${index}`);
      if (layer > 0 || !caches[0]!.shape.sharing) continue;
      const [expectedRead, gotRead] = await Promise.all(caches.map((cache) => readOf(cache, tokens, seed + index)));
      assertClose(expectedRead!, gotRead!, tolerance, `the layer that shares, call ${index}`);
    }
};

const assertSameSnapshots = async (caches: readonly Cache[]): Promise<void> => {
  const [expected, got] = await Promise.all(caches.map((cache) => cache.snapshot()));
  expect(Buffer.from(got!).equals(expected!)).toBe(true);
};

/** A span, a cap and sink logits, each in some of the layers. */
const WAYS: readonly Partial<AttentionSpec>[] = [
  { mask: { kind: "sliding", span: 50 } },
  { softcap: 5 },
  { sinkLogits: Array.from({ length: SHAPE.queryHeads }, (_, head) => head / 2) },
];
/** With spans, caps, sinks and a shared cache. */
export const OTHER_WAYS: CacheShape = {
  ...SHAPE,
  sharing: [{ place: SHAPE.layers, cacheOf: 0, queryHeads: SHAPE.queryHeads }],
  perLayer: TRANSFORM_LAYERS.map((_, layer) => ({
    attention: { ...plainAttention(HEAD_SIZE), ...WAYS[layer % WAYS.length] },
  })),
};

/** Compares a backend with the reference: outputs within a tolerance of the largest number, snapshots and bytes exactly. */
export const assertTransformAgreement = async (
  backend: Backend,
  shape: CacheShape,
  tolerance: number,
): Promise<void> => {
  const plan = { ...PLAN, shape };
  const caches = [await createReferenceBackend().createCache(shape, plan), await backend.createCache(shape, plan)];
  await compareCalls(caches, [150, 1, 40, 1], 1, tolerance);
  await assertSameSnapshots(caches);
  expect(caches[1]!.bytes()).toEqual(caches[0]!.bytes());
  if (shape === SHAPE) for (const cache of caches) cache.truncate(90);
  await compareCalls(caches, [1, 30, 100], 11, tolerance);
  await assertSameSnapshots(caches);
};
