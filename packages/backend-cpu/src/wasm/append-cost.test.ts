import type { CachePlan } from "@kvtuner/backend";
import { type CacheShape, layerScheme, planBytes } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { afterEach, expect, it, vi } from "vitest";
import { createCpuBackend } from "./cpu-backend.ts";
import { createEngine } from "./create-engine.ts";
import { TILE_TOKENS } from "./layer-record.ts";
import type { PackedLayer } from "./packed-layer.ts";
import { createStore } from "./packed-store.ts";

const SHAPE: CacheShape = { layers: 1, queryHeads: 2, kvHeads: 2, headSize: 64 };
const SCHEMES = [
  ["kivi:K4V2", layerScheme("kivi", { key: 4, value: 2 })],
  ["per-token:K8V8", layerScheme("per-token", { key: 8, value: 8 })],
  ["compact:K4V3", layerScheme("compact", { key: 4, value: 3 })],
] as const;
const LIMITS = { maxCacheBytes: 2 ** 30, maxTokens: 2 ** 20 };

const planOf = (scheme: CachePlan["layers"][number], shape: CacheShape): CachePlan => ({
  shape,
  layers: Array.from({ length: shape.layers }, () => scheme),
});

const numbers = (length: number): Float32Array => Float32Array.from({ length }, (_, index) => Math.sin(index * 0.7));

/** Offsets of the records of full tiles at a length, keys and values. */
const fullRecords = ({ key, value, length }: PackedLayer): [start: number, end: number][] =>
  [key, value].flatMap((tensor) =>
    Array.from({ length: Math.floor(tensor.prefix(length) / TILE_TOKENS) }, (_, tile): [number, number] => {
      const start = tensor.record(0, tile);
      return [start, start + SHAPE.kvHeads * tensor.layout.recordBytes];
    }),
  );

it.each(SCHEMES)("appending under %s writes to no tile that is full, and moves none", async (_, scheme) => {
  const engine = await createEngine(1);
  const store = await createStore({ engine, capabilities: LIMITS }, planOf(scheme, SHAPE));
  const [layer, workspace] = [store.layers[0]!, store.workspaces[0]!];
  const append = (tokens: number): void => {
    const rows = numbers(tokens * SHAPE.kvHeads * SHAPE.headSize);
    layer.ensure(tokens);
    layer.append({ tokens, key: rows, value: rows }, workspace);
  };
  append(600);
  const before = fullRecords(layer);
  expect(before.length).toBeGreaterThanOrEqual(6);
  // Encoding these tokens again would restore their codes.
  for (const [start, end] of before) layer.arena.bytes.fill(0xa5, start, end);
  for (let token = 0; token < 200; token++) append(1);
  append(9000);
  const after = new Set(fullRecords(layer).map(String));
  for (const range of before) {
    expect(after).toContain(String(range));
    expect(layer.arena.bytes.subarray(...range).every((byte) => byte === 0xa5)).toBe(true);
  }
});

afterEach(() => {
  vi.restoreAllMocks();
});

it.each(SCHEMES)(
  "memory for %s grows by no more than 1.1 times what the cache takes, and a constant",
  async (_, scheme) => {
    const memories: WebAssembly.Memory[] = [];
    const { Memory } = WebAssembly;
    vi.spyOn(WebAssembly, "Memory").mockImplementation(function (descriptor) {
      const memory = new Memory(descriptor);
      memories.push(memory);
      return memory;
    });
    const shape = { layers: 4, queryHeads: 8, kvHeads: 8, headSize: 128 };
    const plan = planOf(scheme, shape);
    const cache = await (await createCpuBackend(LIMITS)).createCache(shape, plan);
    const reserved = (): number => memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
    const emptyBytes = reserved();
    const [tokens, width] = [500, shape.kvHeads * shape.headSize];
    const rows = new Tensor("float32", numbers(tokens * width), [1, tokens, width]);
    for (let layer = 0; layer < shape.layers; layer++) await cache.attend(layer, rows, rows, rows);
    const { total } = planBytes(plan, tokens);
    expect(total).toBeGreaterThan(2 ** 20);
    // Half a tile of each tensor, pages of exact rows, and the memory's growth step.
    expect(reserved() - emptyBytes).toBeLessThan(1.1 * total + 2 ** 21);
  },
);
