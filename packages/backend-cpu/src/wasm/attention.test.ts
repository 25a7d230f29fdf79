import { test } from "@fast-check/vitest";
import type { KvCache } from "@kvtuner/backend";
import { type CacheShape, FLOAT16, type LayerScheme, parseShorthand, uniformPlan } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { expect } from "vitest";
import { createReferenceBackend } from "../reference/reference-backend.ts";
import { createCpuBackend } from "./cpu-backend.ts";
import { anyCase, normals, randomRows, randomTensor, relativeDifference } from "./test-support/attention-cases.ts";

const backend = await createCpuBackend();
const reference = createReferenceBackend();

const open = async (shape: CacheShape, layer: LayerScheme): Promise<readonly [KvCache, KvCache]> => {
  const plan = uniformPlan({ name: "test", architecture: "test" }, shape, layer);
  return Promise.all([backend.createCache(shape, plan), reference.createCache(shape, plan)]);
};

test.prop([anyCase], { numRuns: 20 })(
  "attention equals the reference's",
  async ({ shape, layer, calls, scale, seed }) => {
    const [cache, oracle] = await open(shape, layer);
    const next = normals(seed);
    for (const tokens of calls) {
      const rows = randomRows(next, tokens, shape, scale);
      const difference = relativeDifference(await cache.attend(0, ...rows), await oracle.attend(0, ...rows));
      expect(difference).toBeLessThan(1e-3);
      expect(cache.bytes()).toEqual(oracle.bytes());
    }
    expect(await cache.snapshot()).toEqual(await oracle.snapshot());
  },
);

test.each([
  { headSize: 64, valueSize: 32 },
  { headSize: 16, valueSize: 256 },
])("values of $valueSize beside keys of $headSize are read by two layers and stored anew", async (sizes) => {
  const shape = { layers: 1, queryHeads: 4, kvHeads: 2, ...sizes, sharing: [{ place: 1, cacheOf: 0, queryHeads: 6 }] };
  const caches = await open(shape, parseShorthand("per-token:K8V8").layer);
  const next = normals(11);
  const compare = async (tokens: number): Promise<void> => {
    const rows = randomRows(next, tokens, shape, 1);
    const [output, expected] = await Promise.all(caches.map((cache) => cache.attend(0, ...rows)));
    expect(relativeDifference(output!, expected!)).toBeLessThan(1e-3);
    const query = randomTensor(next, tokens, 6 * shape.headSize, 1);
    const [shared, expectedShared] = await Promise.all(caches.map((cache) => cache.read(0, query)));
    expect(shared!.dims).toEqual([1, tokens, 6 * shape.valueSize]);
    expect(relativeDifference(shared!, expectedShared!)).toBeLessThan(1e-3);
  };
  await compare(200);
  for (const cache of caches)
    await cache.retune(uniformPlan({ name: "test", architecture: "test" }, shape, parseShorthand("kivi:K2V4").layer));
  await compare(3);
  expect(await caches[0].snapshot()).toEqual(await caches[1].snapshot());
});

test("symmetric values after the Hadamard transform lose no more than others", async () => {
  const shape = { layers: 1, queryHeads: 4, kvHeads: 1, headSize: 128 };
  const value = {
    kind: "affine",
    bits: 2,
    format: "symmetric",
    axis: "token",
    groupSize: "head",
    blockSize: 1,
    transform: "hadamard",
  } as const;
  const [cache, oracle] = await open(shape, {
    key: FLOAT16,
    value,
    residency: { kind: "prefix", sinks: 0, recent: 0 },
  });
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

/** Numbers around constant offsets, large in two channels of each head, like keys and queries of models with biases. */
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
  const scheme = {
    kind: "affine",
    bits,
    format: "affine",
    axis: "token",
    groupSize: "head",
    blockSize: 1,
    transform: "none",
  } as const;
  for (const [queryOffset, keyOffset] of [
    [82, 145],
    [300, 100],
    [120, -150],
  ] as const) {
    const [cache, oracle] = await open(shape, {
      key: scheme,
      value: scheme,
      residency: { kind: "prefix", sinks: 0, recent: 0 },
    });
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
  "invalid limits are rejected: %j",
  async (limits) => {
    await expect(createCpuBackend(limits)).rejects.toMatchObject({ code: "BACKEND_LIMIT" });
    expect(() => createReferenceBackend(limits)).toThrow(expect.objectContaining({ code: "BACKEND_LIMIT" }));
  },
);

test("a query whose scores would overflow float32 is rejected, and the cache is unchanged", async () => {
  const shape = { layers: 1, queryHeads: 1, kvHeads: 1, headSize: 16 };
  const scheme = {
    kind: "affine",
    bits: 4,
    format: "affine",
    axis: "token",
    groupSize: "head",
    blockSize: 1,
    transform: "none",
  } as const;
  const next = normals(1);
  for (const cache of await open(shape, {
    key: scheme,
    value: scheme,
    residency: { kind: "prefix", sinks: 0, recent: 0 },
  })) {
    const query = randomTensor(next, 1, 16, 1e25);
    await expect(
      cache.attend(0, query, randomTensor(next, 1, 16, 1), randomTensor(next, 1, 16, 1)),
    ).rejects.toMatchObject({ code: "BACKEND_TENSOR_NOT_FINITE" });
    expect(cache.length).toBe(0);
  }
});
