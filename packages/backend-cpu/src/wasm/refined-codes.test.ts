import type { KvCache } from "@kvtuner/backend";
import {
  type AffineScheme,
  type Asset,
  type CacheShape,
  type LayerScheme,
  type SchemeOf,
  uniformPlan,
} from "@kvtuner/plan";
import { decodeBlock, numberFromFloat16 } from "@kvtuner/quantizers";
import { Tensor } from "onnxruntime-common";
import { expect, test } from "vitest";
import { createReferenceBackend } from "../reference/reference-backend.ts";
import { createCpuBackend } from "./cpu-backend.ts";
import { normals, randomRows, relativeDifference } from "./test-support/attention-cases.ts";

const backend = await createCpuBackend();
const reference = createReferenceBackend();

const SHAPE: CacheShape = {
  layers: 1,
  queryHeads: 6,
  kvHeads: 2,
  headSize: 32,
  valueSize: 48,
  sharing: [{ place: 1, cacheOf: 0, queryHeads: 4 }],
};

/** Products of reflections, another one for each KV head: not symmetric. */
const rotations = (name: string, headSize: number): Asset => {
  const next = normals(headSize);
  const data = new Float32Array(2 * headSize ** 2);
  for (let head = 0; head < 2; head++) {
    const matrix = data.subarray(head * headSize ** 2, (head + 1) * headSize ** 2);
    for (let index = 0; index < headSize; index++) matrix[index * (headSize + 1)] = 1;
    for (let times = 0; times < 3; times++) reflect(matrix, Float64Array.from({ length: headSize }, next));
  }
  return { name, dtype: "float32", shape: [2, headSize, headSize], data };
};

const reflect = (matrix: Float32Array, axis: Float64Array): void => {
  const square = axis.reduce((sum, x) => sum + x * x, 0);
  for (let row = 0; row < matrix.length; row += axis.length) {
    const product = axis.reduce((sum, x, index) => sum + x * matrix[row + index]!, 0);
    for (const [index, x] of axis.entries()) matrix[row + index]! -= (2 * product * x) / square;
  }
};

const ASSETS: readonly Asset[] = [
  rotations("keys", 32),
  rotations("values", 48),
  {
    name: "signs",
    dtype: "float32",
    shape: [2, 32],
    data: Float32Array.from({ length: 64 }, (_, i) => (i % 3 ? 1 : -1)),
  },
];

const TURNED: AffineScheme = {
  kind: "affine",
  bits: 4,
  format: "affine",
  axis: "token",
  groupSize: "head",
  blockSize: 1,
  transform: "keys",
  clip: 0.95,
  clipRule: "magnitude",
};

const layerOf = (key: Partial<AffineScheme>, value: Partial<AffineScheme> = {}): LayerScheme => ({
  key: { ...TURNED, ...key },
  value: { ...TURNED, transform: "values", groupSize: 16, blockSize: 24, ...value },
  residency: { kind: "prefix", sinks: 2, recent: 5 },
});

const CHANNELS = { axis: "channel", groupSize: 16, blockSize: 48, clipRule: "range" } as const;

const FLOATS: SchemeOf<"float8"> = {
  kind: "float8",
  format: "e4m3",
  scope: "head",
  scales: [0.02, 0.004],
  blockSize: 1,
};

const floatsOf = (key: Partial<typeof FLOATS>, value: Partial<typeof FLOATS>): LayerScheme => ({
  ...layerOf({}),
  key: { ...FLOATS, ...key },
  value: { ...FLOATS, ...value },
});

const LAYERS: Readonly<Record<string, LayerScheme>> = {
  "blocks over the ends of tiles": layerOf(
    { ...CHANNELS, parameters: "two-level" },
    { parameters: "two-level", groupSize: 16, blockSize: 24 },
  ),
  "blocks longer than tiles": layerOf(
    { parameters: "two-level", blockSize: 140 },
    { parameters: "two-level", format: "symmetric", blockSize: 135 },
  ),
  "float8 with fixed scales": floatsOf({}, { format: "e5m2", scope: "tensor", scales: [0.5], blockSize: 7 }),
  "float8 with dynamic scales": floatsOf(
    { scales: "dynamic", blockSize: 24 },
    { format: "e5m2", scope: "token", scales: "dynamic" },
  ),
  "float8 with dynamic scales of values": floatsOf(
    { format: "e5m2", scope: "token", scales: "dynamic", blockSize: 5 },
    { scales: "dynamic", blockSize: 140 },
  ),
  "tables, keys per token": layerOf({}),
  "tables, keys per channel": layerOf({ ...CHANNELS, bits: 3 }, { format: "symmetric", bits: 2 }),
  "signs of an asset": layerOf(
    { ...CHANNELS, transform: "hadamard", signs: "signs" },
    { transform: "hadamard", signs: 9 },
  ),
};

const planOf = (layer: LayerScheme) => ({
  ...uniformPlan({ name: "test", architecture: "test" }, SHAPE, layer),
  assets: ASSETS,
});

const open = (layer: LayerScheme): Promise<KvCache[]> =>
  Promise.all([backend, reference].map((each) => each.createCache(SHAPE, planOf(layer))));

const compare = async ([cache, oracle]: readonly KvCache[], next: () => number, tokens: number): Promise<void> => {
  const rows = randomRows(next, tokens, SHAPE, 1);
  const outputs = [await cache!.attend(0, ...rows), await oracle!.attend(0, ...rows)] as const;
  expect(relativeDifference(...outputs)).toBeLessThan(1e-3);
  const query = new Tensor("float32", (rows[0].data as Float32Array).slice(0, tokens * 128), [1, tokens, 128]);
  const shared = [await cache!.read(0, query), await oracle!.read(0, query)] as const;
  expect(relativeDifference(...shared)).toBeLessThan(1e-3);
};

test.each(Object.keys(LAYERS))("%s: outputs, bytes and snapshots are the reference's", async (name) => {
  const caches = await open(LAYERS[name]!);
  const [cache, oracle] = caches as [KvCache, KvCache];
  const next = normals(3);
  for (const tokens of [150, 1, 60]) await compare(caches, next, tokens);
  expect(cache.bytes()).toEqual(oracle.bytes());
  expect(await cache.snapshot()).toEqual(await oracle.snapshot());
  for (const each of caches) each.truncate(93);
  await compare(caches, next, 40);
  expect(await cache.snapshot()).toEqual(await oracle.snapshot());
  const coarser = planOf(layerOf({ ...CHANNELS, bits: 1 }, { bits: 1 }));
  for (const each of caches) await each.retune(coarser);
  await compare(caches, next, 2);
  expect(await cache.snapshot()).toEqual(await oracle.snapshot());
  await cache.dispose();
});

test("scales of values that would overflow the kernels' sums are refused", async () => {
  const layer = floatsOf({}, { scope: "tensor", scales: [2 ** 15] });
  await expect(backend.createCache(SHAPE, planOf(layer))).rejects.toMatchObject({
    code: "BACKEND_UNSUPPORTED_SCHEME",
    layer: 0,
  });
});

test("numbers that a table turns beyond float16 are rejected, and the cache is unchanged", async () => {
  for (const cache of await open(LAYERS["tables, keys per token"]!)) {
    const [query, key, value] = randomRows(normals(5), 9, SHAPE, 1);
    const { data, shape } = ASSETS[0]!;
    const column = Float32Array.from({ length: key.data.length }, (_, index) => {
      const number = (data[(index % 32) * shape[2]!] as number) * 70_000;
      return Math.max(-65_000, Math.min(65_000, number));
    });
    await expect(cache.attend(0, query, new Tensor("float32", column, key.dims), value)).rejects.toMatchObject({
      code: "QUANTIZER_OVERFLOW",
    });
    expect(cache.length).toBe(0);
  }
});

test.each(["dynamic", [0.003]] as const)(
  "every float16 has the reference's code of float8, scales %j",
  async (scales) => {
    const shape = { layers: 1, queryHeads: 1, kvHeads: 1, headSize: 512 };
    const scope = scales === "dynamic" ? "head" : "tensor";
    const scheme = { ...FLOATS, scope, scales, blockSize: 3 } as const;
    const layer: LayerScheme = {
      key: scheme,
      value: { ...scheme, format: "e5m2" },
      residency: { kind: "prefix", sinks: 0, recent: 0 },
    };
    const plan = uniformPlan({ name: "test", architecture: "test" }, shape, layer);
    const tokens = 126;
    // The bits of finite float16 with either sign, then zeros.
    const numbers = Float32Array.from({ length: tokens * 512 }, (_, bits) => {
      const half = (bits >> 1) + ((bits & 1) << 15);
      return bits >> 1 < 0x7c00 ? numberFromFloat16(half) : 0;
    });
    const row = new Tensor("float32", numbers, [1, tokens, 512]);
    const query = new Tensor("float32", new Float32Array(tokens * 512), row.dims);
    const snapshots = [];
    for (const each of [backend, reference]) {
      const cache = await each.createCache(shape, plan);
      await cache.attend(0, query, row, row);
      snapshots.push(await cache.snapshot());
    }
    expect(snapshots[0]).toEqual(snapshots[1]);
  },
);

test.each(["e4m3", "e5m2"] as const)("every number of %s is read as it is", async (format) => {
  const decode = (code: number): number => {
    const scheme = { ...FLOATS, format, scope: "tensor", scales: [1] } as const;
    return decodeBlock({ codes: Uint8Array.of(code), scales: new Uint16Array() }, 1, 1, scheme)[0]!;
  };
  const numbers = Array.from({ length: 256 }, (_, code) => decode(code)).map((x) => (Number.isFinite(x) ? x : 1));
  const shape = { layers: 1, queryHeads: 1, kvHeads: 1, headSize: 256 };
  const scheme = { ...FLOATS, format, scope: "tensor", scales: [1] } as const;
  const layer: LayerScheme = { key: scheme, value: scheme, residency: { kind: "prefix", sinks: 0, recent: 0 } };
  const cache = await backend.createCache(shape, uniformPlan({ name: "test", architecture: "test" }, shape, layer));
  const row = new Tensor(
    "float32",
    Float32Array.from(numbers, (x) => x * 1.01),
    [1, 1, 256],
  );
  const output = (await cache.attend(0, row, row, row)).data as Float32Array;
  expect(cache.bytes().parts["exact"] ?? 0).toBe(0);
  for (const [code, number] of numbers.entries())
    expect(Math.abs(output[code]! - number)).toBeLessThanOrEqual(1e-6 * Math.abs(number));
  await cache.dispose();
});
