import type { Backend, CachePlan, SchemeFamily } from "@kvtuner/backend";
import { LAWS, type LawName } from "@kvtuner/backend/test";
import { type Asset, FORMATS, layerScheme, PLAIN_TRANSFORM, type SchemeOf } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { describe, expect, it } from "vitest";
import { createReferenceBackend } from "../../reference/reference-backend.ts";
import { createCpuBackend } from "../cpu-backend.ts";

type TransformScheme = SchemeOf<"transform">;

const KV_HEADS = 2;
const HEAD_SIZE = 32;

const randomNumbers = (seed: number): (() => number) => {
  let state = seed;
  const uniform = (): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
};

const table = (name: string, shape: readonly number[], numberAt: (index: number) => number): Asset => ({
  name,
  dtype: "float32",
  shape,
  data: Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, (_, at) => numberAt(at)),
});

const next = randomNumbers(7);
const MEAN = table("mean", [KV_HEADS, HEAD_SIZE], () => 2 * next());
const WIDTHS: Asset = {
  name: "widths",
  dtype: "uint8",
  shape: [KV_HEADS, HEAD_SIZE],
  data: Uint8Array.from({ length: KV_HEADS * HEAD_SIZE }, (_, at) => [4, 0, 3, 2, 6, 1, 5, 8, 7, 0, 3][at % 11]!),
};
const WIDE: Asset = {
  ...WIDTHS,
  name: "wide",
  data: WIDTHS.data.map((width) => (width === 8 ? 16 : width)) as Uint8Array,
};
const SCALES = table("scales", [KV_HEADS, 2, HEAD_SIZE], (at) =>
  Math.floor(at / HEAD_SIZE) % 2 ? 0.5 + Math.abs(next()) : 0.2 * next(),
);
const FACTORS = Float32Array.from({ length: KV_HEADS * HEAD_SIZE }, () => 0.5 + Math.abs(next()));
const DIAGONAL = table("diagonal", [KV_HEADS, 2, HEAD_SIZE], (at) => {
  const factor = FACTORS[Math.floor(at / (2 * HEAD_SIZE)) * HEAD_SIZE + (at % HEAD_SIZE)]!;
  return Math.floor(at / HEAD_SIZE) % 2 ? 1 / factor : factor;
});
/** Reflections, which are their own inverses: `x - 2 v (v x)`. */
const REFLECTIONS = table("reflections", [KV_HEADS, 2, HEAD_SIZE, HEAD_SIZE], (at) => {
  const [head, row, column] = [
    Math.floor(at / (2 * HEAD_SIZE ** 2)),
    Math.floor(at / HEAD_SIZE) % HEAD_SIZE,
    at % HEAD_SIZE,
  ];
  const direction = (index: number): number => Math.sin(1 + index * (head + 1)) / Math.sqrt(HEAD_SIZE / 2);
  const length = Array.from({ length: HEAD_SIZE }, (_, index) => direction(index) ** 2).reduce((a, b) => a + b);
  return Number(row === column) - (2 * direction(row) * direction(column)) / length;
});
const TURNS = table("turns", [HEAD_SIZE / 2 - 2], (pair) => 10_000 ** (-pair / (HEAD_SIZE / 2)));
const ASSETS = [MEAN, WIDTHS, WIDE, SCALES, DIAGONAL, REFLECTIONS, TURNS];

/** Mean bits of each KV head. */
const bitsOf = ({ data }: Asset): number[] =>
  Array.from({ length: KV_HEADS }, (_, head) => {
    const own = Array.from(data.subarray(head * HEAD_SIZE, (head + 1) * HEAD_SIZE));
    return own.reduce((sum, width) => sum + width, 0) / HEAD_SIZE;
  });

const FOLDED: TransformScheme = {
  ...PLAIN_TRANSFORM,
  bits: bitsOf(WIDTHS),
  mean: "mean",
  rotation: "reflections",
  widths: "widths",
  gain: "log4",
  scales: "scales",
  blockSize: 8,
};
const BEFORE: TransformScheme = {
  ...FOLDED,
  stage: "before-rope",
  frequencies: "turns",
  pairing: "halves",
  rotation: "diagonal",
};

const SCHEMES = {
  channels: { key: BEFORE, value: FOLDED },
  folded: { key: FOLDED, value: FOLDED },
  "channels, some in 16 bits": {
    key: { ...BEFORE, widths: "wide", bits: bitsOf(WIDE) },
    value: { ...FOLDED, widths: "wide", bits: bitsOf(WIDE) },
  },
  full: {
    key: { ...BEFORE, pairing: "neighbours", rotation: "reflections", gain: "norm16-corrected" },
    value: { ...FOLDED, gain: "norm16" },
  },
  "keys alone": { key: BEFORE, value: layerScheme("per-token", { key: 8, value: 8 }).value },
  "values alone": {
    key: layerScheme("kivi", { key: 4, value: 4 }).key,
    value: { ...FOLDED, rotation: "hadamard", signs: 5, gain: "none" },
  },
} as const;

const numbers = (random: () => number, tokens: number, width: number): Tensor =>
  new Tensor("float32", Float32Array.from({ length: tokens * width }, random), [1, tokens, width]);

describe.each(Object.entries(SCHEMES))("attention over %s", (_, scheme) => {
  it.each([1, 3])("agrees with the reference with %i query heads on a KV head", async (group) => {
    const shape = { layers: 1, queryHeads: group * KV_HEADS, kvHeads: KV_HEADS, headSize: HEAD_SIZE };
    const plan: CachePlan = {
      shape,
      layers: [{ ...scheme, residency: { kind: "prefix", sinks: 3, recent: 9 } }],
      assets: ASSETS,
    };
    const caches = [];
    for (const backend of [createReferenceBackend(), await createCpuBackend()])
      caches.push(await backend.createCache(shape, plan));
    const random = randomNumbers(11);
    for (const tokens of [150, 1, 1, 40, 1, 130, 1]) {
      const call = [
        numbers(random, tokens, shape.queryHeads * HEAD_SIZE),
        numbers(random, tokens, KV_HEADS * HEAD_SIZE),
        numbers(random, tokens, KV_HEADS * HEAD_SIZE),
      ] as const;
      const [expected, got] = await Promise.all(
        caches.map(async (cache) => (await cache.attend(0, ...call)).data as Float32Array),
      );
      const largest = Math.max(...expected!.map(Math.abs));
      const error = Math.max(...expected!.map((number, at) => Math.abs(number - got![at]!)));

      expect(error / largest).toBeLessThan(1e-3);
    }
  });
});

/** What schemes of {@link SCHEMES} leave out. */
const METRIC = table("metric", [KV_HEADS, HEAD_SIZE, HEAD_SIZE], (at) => {
  const [row, column] = [Math.floor(at / HEAD_SIZE) % HEAD_SIZE, at % HEAD_SIZE];
  return row === column ? 2 : Math.cos(row * column) / HEAD_SIZE;
});
const PLAIN = { ...PLAIN_TRANSFORM, bits: 5, blockSize: 7 } as const;
const ENCODED = {
  ...SCHEMES,
  "a metric": { key: { ...BEFORE, metric: "metric" }, value: { ...FOLDED, metric: "metric" } },
  "no tables": { key: PLAIN, value: { ...PLAIN, bits: 1, gain: "norm16-corrected" } },
  "16 bits": { key: { ...PLAIN, bits: 16, gain: "norm16" }, value: { ...PLAIN, bits: 8, gain: "log4" } },
  "every width, pairs of neighbours": {
    key: { ...BEFORE, widths: "wide", bits: bitsOf(WIDE), pairing: "neighbours", metric: "metric" },
    value: { ...FOLDED, widths: "wide", bits: bitsOf(WIDE), rotation: "diagonal", gain: "norm16-corrected" },
  },
} as const;

/** Rows from 0 to the largest float16. */
const SIZES = [1, 0, 1e-7, 60_000, 0.01, 30];

it.each(Object.keys(ENCODED))("%s: codes are the reference's, bit for bit", async (name) => {
  const shape = { layers: 1, queryHeads: KV_HEADS, kvHeads: KV_HEADS, headSize: HEAD_SIZE };
  const layer = {
    ...ENCODED[name as keyof typeof ENCODED],
    residency: { kind: "prefix", sinks: 3, recent: 2 },
  } as const;
  const plan: CachePlan = { shape, layers: [layer], assets: [...ASSETS, METRIC] };
  const backends = [createReferenceBackend(), await createCpuBackend()];
  const caches = await Promise.all(backends.map(async (backend) => backend.createCache(shape, plan)));
  const random = randomNumbers(23);
  for (const tokens of [1, 200, 1, 9, 30]) {
    const rows = [0, 1, 2].map(() => numbers(random, tokens, KV_HEADS * HEAD_SIZE)) as [Tensor, Tensor, Tensor];
    for (const { data } of rows.slice(1))
      for (let at = 0; at < data.length; at++)
        (data as Float32Array)[at]! *= SIZES[Math.floor(at / HEAD_SIZE) % SIZES.length]! / 6;
    for (const cache of caches) await cache.attend(0, ...rows);
  }
  const [expected, got] = await Promise.all(caches.map(async (cache) => cache.snapshot()));
  expect(got).toEqual(expected);
});

/** Schemes for the laws: those without tables of a head's size. */
const LAW_FIELDS = {
  ...FORMATS.transform.fields,
  signs: ["none"],
  bits: [3],
  gain: ["norm16", "log4"],
};
const LAW_KEYS: SchemeFamily = {
  kind: "transform",
  fields: { ...LAW_FIELDS, stage: ["before-rope"], frequencies: ["law-turns"], pairing: ["neighbours"] },
};
const LAW_VALUES: SchemeFamily = { kind: "transform", fields: { ...LAW_FIELDS, stage: ["as-given"] } };

const createLawBackend = async (): Promise<Backend> => {
  const backend = await createCpuBackend();
  return { ...backend, capabilities: { ...backend.capabilities, key: [LAW_KEYS], value: [LAW_VALUES] } };
};

it.each<LawName>(["sliding", "shared-caches", "truncate", "retune", "snapshot"])("the law of %s", async (name) => {
  const assets = [table("law-turns", [8], (pair) => 10_000 ** (-pair / 8))];
  await expect(
    LAWS[name].check({ name: "transform", createBackend: createLawBackend, assets }),
  ).resolves.toBeUndefined();
});
