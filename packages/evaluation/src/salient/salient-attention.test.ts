import { type CacheShape, FLOAT16 } from "@kvtuner/plan";
import { decodeBlock, encodeBlock, encodedBytes } from "@kvtuner/quantizers";
import { Tensor } from "onnxruntime-common";
import { expect, it } from "vitest";
import { mikvScheme, ZIPCACHE } from "./published-schemes.ts";
import { createSalientAttention, type SalientAttention } from "./salient-attention.ts";
import { inOneBlock, type SalientScheme } from "./salient-scheme.ts";

const SIZE = 8;
const TOKENS = 60;
const shape: CacheShape = { layers: 1, queryHeads: 1, kvHeads: 1, headSize: SIZE };

const rowsOf = (seed: number, tokens = TOKENS, width = SIZE): Float32Array =>
  Float32Array.from({ length: tokens * width }, (_, index) => {
    const wave = Math.sin((index + 1) * (seed + 0.37)) * 43_758.5453;
    // Numbers of few bits are exact in 16 bits.
    return Math.round(64 * (wave - Math.floor(wave)) - 32) / 16;
  });

interface Case {
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
}

const anyCase: Case = { query: rowsOf(1), key: rowsOf(2), value: rowsOf(3) };

const fed = async (attention: SalientAttention, of: Case, piece: number, widths = [SIZE, SIZE]): Promise<number[]> => {
  const [queryWidth, width] = widths as [number, number];
  const output: number[] = [];
  const tokens = of.key.length / width;
  for (let start = 0; start < tokens; start += piece) {
    const end = Math.min(tokens, start + piece);
    const tensor = (x: Float32Array, size: number): Tensor =>
      new Tensor("float32", x.slice(start * size, end * size), [1, end - start, size]);
    const part = await attention.attend(
      0,
      tensor(of.query, queryWidth),
      tensor(of.key, width),
      tensor(of.value, width),
    );
    output.push(...(part.data as Float32Array));
  }
  return output;
};

type Matrix = number[][];

const matrix = (x: Float32Array): Matrix =>
  Array.from({ length: x.length / SIZE }, (_, row) => [...x.subarray(row * SIZE, (row + 1) * SIZE)]);

const weightsOf = (query: readonly number[], keys: Matrix): number[] => {
  const powers = keys.map((key) => Math.exp(key.reduce((sum, x, i) => sum + x * query[i]!, 0) / Math.sqrt(SIZE)));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
};

const attended = (weights: readonly number[], values: Matrix): number[] =>
  values[0]!.map((_, channel) => weights.reduce((sum, weight, token) => sum + weight * values[token]![channel]!, 0));

const recoded = (rows: Matrix, tokens: readonly number[], scheme: SalientScheme["rest"]["key"]): [Matrix, number] => {
  const own = inOneBlock(scheme, tokens.length);
  const x = Float32Array.from(tokens.flatMap((token) => rows[token]!));
  const coded = decodeBlock(encodeBlock(x, tokens.length, SIZE, own), tokens.length, SIZE, own);
  return [matrix(coded), encodedBytes(tokens.length, SIZE, own)];
};

/** Replaces the rows of some tokens by what `pair` makes of them; returns the bytes of the codes. */
const store = (keys: Matrix, values: Matrix, tokens: readonly number[], pair: SalientScheme["rest"]): number => {
  const [codedKeys, keyBytes] = recoded(keys, tokens, pair.key);
  const [codedValues, valueBytes] = recoded(values, tokens, pair.value);
  for (const [place, token] of tokens.entries()) {
    keys[token] = codedKeys[place]!;
    values[token] = codedValues[place]!;
  }
  return keyBytes + valueBytes;
};

const descending =
  (of: readonly number[]) =>
  (a: number, b: number): number =>
    of[b]! - of[a]!;

it("ZipCache: attends to what the paper's formulas store, in double precision", async () => {
  const run = 20;
  // With all queries as probes, nothing is random.
  const scheme = {
    ...ZIPCACHE,
    rule: { kind: "normalized", probes: { recent: 1, random: 0 } },
    firstTokens: run,
    every: run,
  } as const;
  const [query, keys, values] = [anyCase.query, anyCase.key, anyCase.value].map(matrix) as [Matrix, Matrix, Matrix];
  const expected: number[] = [];
  let bytes = 0;
  let columns: number[][] = [];
  for (let token = 0; token < TOKENS; token++) {
    const weights = weightsOf(query[token]!, keys.slice(0, token + 1));
    expected.push(...attended(weights, values.slice(0, token + 1)));
    columns.push(weights);
    if ((token + 1) % run !== 0) continue;
    const tokens = Array.from({ length: run }, (_, place) => token + 1 - run + place);
    const saliency: number[] = [];
    for (const own of tokens) {
      const seen = columns.flatMap((row) => (own < row.length ? [row[own]!] : []));
      saliency[own] = seen.reduce((sum, weight) => sum + weight, 0) / seen.length;
    }
    const order = tokens.toSorted(descending(saliency));
    const salient = order.slice(0, 0.6 * run).toSorted((a, b) => a - b);
    const others = order.slice(0.6 * run).toSorted((a, b) => a - b);
    bytes += store(keys, values, salient, scheme.salient!) + store(keys, values, others, scheme.rest);
    columns = [];
  }
  const attention = createSalientAttention(shape, scheme);
  const own = await fed(attention, anyCase, 7);
  for (const [index, number] of own.entries()) expect(number).toBeCloseTo(expected[index]!, 5);
  expect(attention.bytes()).toBe(bytes + Math.ceil(TOKENS / 8));
});

it("MiKV: attends to what the paper's formulas store, in double precision", async () => {
  const scheme = { ...mikvScheme(0.5, 2), firstTokens: 16, every: 1 };
  const [query, keys, values] = [anyCase.query, anyCase.key, anyCase.value].map(matrix) as [Matrix, Matrix, Matrix];
  const expected: number[] = [];
  const sums: number[] = [];
  let exact: number[] = [];
  let balance: number[] = [];
  const largest = (rows: Matrix, channel: number): number => Math.max(...rows.map((row) => Math.abs(row[channel]!)));
  for (let token = 0; token < TOKENS; token++) {
    const weights = weightsOf(query[token]!, keys.slice(0, token + 1));
    expected.push(...attended(weights, values.slice(0, token + 1)));
    exact.push(token);
    sums.push(0);
    for (const [other, weight] of weights.entries()) sums[other]! += weight;
    if (token < 15) continue;
    if (token === 15)
      balance = query[0]!.map((_, i) => Math.sqrt(largest(query.slice(0, 16), i) / largest(keys.slice(0, 16), i)));
    const count = Math.round(0.5 * (token + 1));
    const recent = exact.slice(exact.length - Math.round(0.5 * count));
    const hitters = exact.slice(0, exact.length - recent.length).toSorted(descending(sums));
    const kept = [...hitters.slice(0, count - recent.length), ...recent].toSorted((a, b) => a - b);
    for (const dropped of exact.filter((other) => !kept.includes(other))) {
      keys[dropped] = keys[dropped]!.map((x, i) => x * balance[i]!);
      store(keys, values, [dropped], scheme.rest);
      keys[dropped] = keys[dropped].map((x, i) => x / balance[i]!);
    }
    exact = kept;
  }
  const attention = createSalientAttention(shape, scheme);
  const own = await fed(attention, anyCase, 11);
  // The cache stores the balance in 16 bits.
  for (const [index, number] of own.entries()) expect(Math.abs(number - expected[index]!)).toBeLessThan(5e-3);
  expect(exact).toHaveLength(30);
  expect(attention.bytes()).toBe(30 * 4 * SIZE + 30 * 2 * encodedBytes(1, SIZE, scheme.rest.key) + 8 + 2 * SIZE);
});

const grouped: CacheShape = { layers: 1, queryHeads: 4, kvHeads: 2, headSize: SIZE };
const groupedCase = (seed: number): Case => ({
  query: rowsOf(seed, TOKENS, 4 * SIZE),
  key: rowsOf(seed + 1, TOKENS, 2 * SIZE),
  value: rowsOf(seed + 2, TOKENS, 2 * SIZE),
});

it.each([
  ["ZipCache", { ...ZIPCACHE, firstTokens: 25, every: 10 }],
  ["MiKV", { ...mikvScheme(0.25, 3), firstTokens: 25 }],
] as const)("%s does not depend on pieces, and its bytes depend on the length alone", async (_, scheme) => {
  const runs: { output: number[]; bytes: number }[] = [];
  for (const [seed, piece] of [
    [4, 1],
    [4, 17],
    [4, TOKENS],
    [9, 1],
  ] as const) {
    const attention = createSalientAttention(grouped, scheme);
    runs.push({
      output: await fed(attention, groupedCase(seed), piece, [4 * SIZE, 2 * SIZE]),
      bytes: attention.bytes(),
    });
  }
  expect(runs[1]).toEqual(runs[0]);
  expect(runs[2]).toEqual(runs[0]);
  expect(runs[3]!.output).not.toEqual(runs[0]!.output);
  expect(runs[3]!.bytes).toBe(runs[0]!.bytes);
});

it("refuses layers that share a cache, and stores nothing coarsely when all tokens are salient", async () => {
  const sharing = [{ place: 1, cacheOf: 0, queryHeads: 1 }];
  expect(() => createSalientAttention({ ...shape, sharing }, ZIPCACHE)).toThrow("got 1 that share one");
  const exact = createSalientAttention(shape, { ...mikvScheme(1, 2), rest: { key: FLOAT16, value: FLOAT16 } });
  const coarse = createSalientAttention(shape, mikvScheme(1, 2));
  expect(await fed(coarse, anyCase, 9)).toEqual(await fed(exact, anyCase, 9));
});
