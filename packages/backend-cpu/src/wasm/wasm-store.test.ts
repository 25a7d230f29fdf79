import type { CachePlan, KvCache } from "@kvtuner/backend";
import { type CacheShape, layerScheme, planBytes } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createCpuBackend } from "./cpu-backend.ts";

/** Enough layers that those returning to 16 bits need more than an arena has to spare. */
const SHAPE: CacheShape = { layers: 12, queryHeads: 4, kvHeads: 4, headSize: 128 };
const plan = (bits: 2 | 8): CachePlan => ({
  shape: SHAPE,
  layers: Array.from({ length: SHAPE.layers }, () => layerScheme("compact", { key: bits, value: 4 })),
});

describe("a cache whose memory cannot grow", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it("is unchanged after a failed truncate, and truncates as far as it can", async () => {
    const cache = await filledCache(164 + 60);
    const before = await cache.snapshot();
    noMoreMemory();
    expect(() => cache.truncate(163)).toThrow(expect.objectContaining({ code: "BACKEND_OUT_OF_MEMORY" }));
    expect(cache.length).toBe(224);
    expect(checksumOf(await cache.snapshot())).toEqual(checksumOf(before));
    cache.truncate(0);
    expect(cache.length).toBe(0);
  });

  it.each([0, 1])("is unchanged after a failed retune, if memory %i is the last", async (memories) => {
    const cache = await filledCache(200);
    const before = await cache.snapshot();
    noMoreMemory(memories);
    await expect(cache.retune(plan(2))).rejects.toMatchObject({ code: "BACKEND_OUT_OF_MEMORY" });
    expect(checksumOf(await cache.snapshot())).toEqual(checksumOf(before));
    vi.restoreAllMocks();
    await cache.retune(plan(2));
    expect(cache.bytes()).toEqual(planBytes(plan(2), 200));
  });

  it("is not created when no addresses are left", async () => {
    const backend = await createCpuBackend();
    vi.spyOn(WebAssembly, "Memory").mockImplementation(function () {
      throw new RangeError("could not allocate memory");
    });
    await expect(backend.createCache(SHAPE, plan(8))).rejects.toMatchObject({ code: "BACKEND_OUT_OF_MEMORY" });
  });
});

describe("a layer with a span", () => {
  it.each([2, 16] as const)("needs no more memory after its span, in %i bits", async (bits) => {
    const grow = vi.spyOn(WebAssembly.Memory.prototype, "grow");
    const shape: CacheShape = { layers: 1, queryHeads: 4, kvHeads: 4, headSize: 128, span: 200 };
    const backend = await createCpuBackend();
    const cache = await backend.createCache(shape, {
      shape,
      layers: [layerScheme("compact", { key: bits, value: 4 })],
    });
    const call = rows(700);
    await cache.attend(0, call, call, call);
    const pages = (): number => grow.mock.calls.reduce((sum, [count]) => sum + count, 0);
    const before = pages();
    for (let count = 0; count < 20; count++) await cache.attend(0, call, call, call);
    // All 14000 tokens in 16 bits would take 437 pages of memory. Tables of pointers take one.
    expect(pages() - before).toBeLessThanOrEqual(16);
    vi.restoreAllMocks();
    await backend.dispose();
  });
});

const filledCache = async (tokens: number): Promise<KvCache> => {
  const backend = await createCpuBackend({ maxCacheBytes: 2 ** 31 });
  const cache = await backend.createCache(SHAPE, plan(8));
  for (let layer = 0; layer < SHAPE.layers; layer++)
    await cache.attend(layer, rows(tokens), rows(tokens), rows(tokens));
  return cache;
};

/** The last 32 bytes of a snapshot. */
const checksumOf = (snapshot: Uint8Array): Uint8Array => snapshot.slice(-32);

const rows = (tokens: number): Tensor => {
  const width = SHAPE.kvHeads * SHAPE.headSize;
  const numbers = Float32Array.from({ length: tokens * width }, (_, index) => Math.sin(index * 0.37));
  return new Tensor("float32", numbers, [1, tokens, width]);
};

/** Memories no longer grow after the first `grown` calls. */
const noMoreMemory = (grown = 0): void => {
  const grow = WebAssembly.Memory.prototype.grow;
  let calls = 0;
  vi.spyOn(WebAssembly.Memory.prototype, "grow").mockImplementation(function (this: WebAssembly.Memory, pages) {
    if (calls++ < grown) return grow.call(this, pages);
    throw new RangeError("Maximum memory size exceeded");
  });
};
