import { fc, test } from "@fast-check/vitest";
import type { KvCache } from "@kvtuner/backend";
import { type CacheShape, type LayerScheme, type TensorScheme, uniformPlan } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { expect } from "vitest";
import { createReferenceBackend } from "../reference/reference-backend.ts";
import { createCpuBackend } from "./cpu-backend.ts";

const backend = await createCpuBackend();
const reference = createReferenceBackend();

/** Normal numbers from a seed, reproducible and fast. */
const normals = (seed: number): (() => number) => {
  let state = seed >>> 0 || 1;
  const uniform = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
};

const randomTensor = (next: () => number, tokens: number, width: number, scale: number): Tensor =>
  new Tensor(
    "float32",
    Float32Array.from({ length: tokens * width }, () => next() * scale),
    [1, tokens, width],
  );

const anyBits = fc.constantFrom(2, 3, 4, 8, 16);
const anyFormat = fc.constantFrom("affine", "symmetric");
const anyTransform = fc.constantFrom("none", "hadamard");

const tokenScheme = (headSize: number): fc.Arbitrary<TensorScheme> =>
  fc.record({
    bits: anyBits,
    format: anyFormat,
    axis: fc.constant("token"),
    groupSize: fc.constantFrom("head", ...[16, 32, 64, 128].filter((size) => size <= headSize)),
    blockSize: fc.constantFrom(1, 7, 32),
    transform: anyTransform,
  }) as fc.Arbitrary<TensorScheme>;

const channelScheme: fc.Arbitrary<TensorScheme> = fc
  .record({
    bits: anyBits,
    format: anyFormat,
    axis: fc.constant("channel"),
    groupSize: fc.constantFrom(16, 32, 64, 128),
    blocks: fc.constantFrom(1, 2),
    transform: anyTransform,
  })
  .map(({ blocks, ...scheme }) => ({ ...scheme, blockSize: blocks * scheme.groupSize })) as fc.Arbitrary<TensorScheme>;

const anyCase = fc
  .record({
    headSize: fc.constantFrom(16, 32, 64, 80, 96, 128, 256),
    kvHeads: fc.constantFrom(1, 2),
    ratio: fc.constantFrom(1, 2, 3, 4, 8),
  })
  .chain(({ headSize, kvHeads, ratio }) =>
    fc.record({
      shape: fc.constant({ layers: 1, queryHeads: kvHeads * ratio, kvHeads, headSize } satisfies CacheShape),
      layer: fc.record({
        key: fc.oneof(tokenScheme(headSize), channelScheme),
        value: tokenScheme(headSize),
        window: fc.constantFrom(0, 5, 32),
        sinks: fc.constantFrom(0, 4, 33),
      }),
      calls: fc.array(fc.constantFrom(1, 2, 17, 64, 65, 150), { minLength: 1, maxLength: 4 }),
      scale: fc.constantFrom(0.1, 1, 4),
      seed: fc.nat(),
    }),
  );

const open = async (shape: CacheShape, layer: LayerScheme): Promise<readonly [KvCache, KvCache]> => {
  const plan = uniformPlan({ name: "test", architecture: "test" }, shape, layer);
  return Promise.all([backend.createCache(shape, plan), reference.createCache(shape, plan)]);
};

/** Largest difference, relative to the largest number of the reference. */
const relativeDifference = (got: Tensor, expected: Tensor): number => {
  const [a, b] = [got.data as Float32Array, expected.data as Float32Array];
  let difference = 0;
  let largest = 1e-30;
  for (let index = 0; index < b.length; index++) {
    if (Number.isNaN(a[index]!)) return NaN;
    difference = Math.max(difference, Math.abs(a[index]! - b[index]!));
    largest = Math.max(largest, Math.abs(b[index]!));
  }
  return difference / largest;
};

test.prop([anyCase], { numRuns: 20 })(
  "attention equals the reference's",
  async ({ shape, layer, calls, scale, seed }) => {
    const [cache, oracle] = await open(shape, layer);
    const next = normals(seed);
    for (const tokens of calls) {
      const query = randomTensor(next, tokens, shape.queryHeads * shape.headSize, scale);
      const key = randomTensor(next, tokens, shape.kvHeads * shape.headSize, 1);
      const value = randomTensor(next, tokens, shape.kvHeads * shape.headSize, 1);
      const difference = relativeDifference(
        await cache.attend(0, query, key, value),
        await oracle.attend(0, query, key, value),
      );
      expect(difference).toBeLessThan(1e-3);
      expect(cache.bytes()).toEqual(oracle.bytes());
    }
    expect(await cache.snapshot()).toEqual(await oracle.snapshot());
  },
);

test("symmetric values after the Hadamard transform lose no more than others", async () => {
  const shape = { layers: 1, queryHeads: 4, kvHeads: 1, headSize: 128 };
  const exact = {
    bits: 16,
    format: "affine",
    axis: "token",
    groupSize: "head",
    blockSize: 1,
    transform: "none",
  } as const;
  const value = { ...exact, bits: 2, format: "symmetric", transform: "hadamard" } as const;
  const [cache, oracle] = await open(shape, { key: exact, value, window: 0, sinks: 0 });
  const next = normals(3);
  for (const tokens of [300, 1, 1, 1]) {
    const query = randomTensor(next, tokens, 512, 3);
    const key = randomTensor(next, tokens, 128, 1);
    const rows = randomTensor(next, tokens, 128, 1);
    const difference = relativeDifference(
      await cache.attend(0, query, key, rows),
      await oracle.attend(0, query, key, rows),
    );
    expect(difference).toBeLessThan(4e-4);
  }
});

/** Numbers around constant offsets, far out in two channels of each head, as keys and queries of models with biases are. */
const outlierTensor = (next: () => number, tokens: number, heads: number, headSize: number, offset: number): Tensor => {
  const offsets = Float32Array.from({ length: headSize }, (_, channel) =>
    channel === 3 ? offset : channel === 40 ? -0.6 * offset : 0,
  );
  const rows = randomTensor(next, tokens, heads * headSize, 3);
  const data = (rows.data as Float32Array).map((x, index) => x + offsets[index % headSize]!);
  return new Tensor("float32", data, rows.dims);
};

test.each([4, 8] as const)("outlier channels of keys and queries, %s bits per token", async (bits) => {
  const shape = { layers: 1, queryHeads: 7, kvHeads: 1, headSize: 64 };
  const scheme = { bits, format: "affine", axis: "token", groupSize: "head", blockSize: 1, transform: "none" } as const;
  for (const [queryOffset, keyOffset] of [
    [82, 145],
    [300, 100],
    [120, -150],
  ] as const) {
    const [cache, oracle] = await open(shape, { key: scheme, value: scheme, window: 0, sinks: 0 });
    const next = normals(queryOffset);
    for (const tokens of [200, 1, 1]) {
      const query = outlierTensor(next, tokens, 7, 64, queryOffset);
      const key = outlierTensor(next, tokens, 1, 64, keyOffset);
      const value = randomTensor(next, tokens, 64, 1);
      const difference = relativeDifference(
        await cache.attend(0, query, key, value),
        await oracle.attend(0, query, key, value),
      );
      expect(difference).toBeLessThan(1e-3);
    }
  }
});

test.each([{ maxTokens: Number.NaN }, { maxTokens: -1 }, { maxCacheBytes: Number.NaN }, { maxCacheBytes: -1 }])(
  "limits that are none are refused: %j",
  async (limits) => {
    await expect(createCpuBackend(limits)).rejects.toMatchObject({ code: "BACKEND_LIMIT" });
    expect(() => createReferenceBackend(limits)).toThrow(expect.objectContaining({ code: "BACKEND_LIMIT" }));
  },
);

test("a query whose scores would leave float32 is refused, the cache stays as it was", async () => {
  const shape = { layers: 1, queryHeads: 1, kvHeads: 1, headSize: 16 };
  const scheme = {
    bits: 4,
    format: "affine",
    axis: "token",
    groupSize: "head",
    blockSize: 1,
    transform: "none",
  } as const;
  const next = normals(1);
  for (const cache of await open(shape, { key: scheme, value: scheme, window: 0, sinks: 0 })) {
    const query = randomTensor(next, 1, 16, 1e25);
    await expect(
      cache.attend(0, query, randomTensor(next, 1, 16, 1), randomTensor(next, 1, 16, 1)),
    ).rejects.toMatchObject({ code: "BACKEND_TENSOR_NOT_FINITE" });
    expect(cache.length).toBe(0);
  }
});
