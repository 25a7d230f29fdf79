import { fc, test } from "@fast-check/vitest";
import { expect, it } from "vitest";
import { mostSalient, normalizedSaliency, probePlaces, queryKeyBalance } from "./saliency.ts";
import { mulberry32 } from "./test-support/hostile-numbers.ts";

const anyRun = fc.record({
  tokens: fc.integer({ min: 1, max: 60 }),
  recent: fc.constantFrom(0, 0.05, 0.5, 1),
  random: fc.constantFrom(0, 0.05, 0.4, 1),
  seed: fc.integer(),
});

test.prop([anyRun])("probes are the newest tokens and as many others as asked", ({ tokens, seed, ...shares }) => {
  const places = [...probePlaces(tokens, shares, mulberry32(seed))];
  const recent = Math.max(1, Math.round(shares.recent * tokens));
  const random = Math.min(tokens - recent, Math.round(shares.random * tokens));
  expect(places).toEqual([...new Set(places)].toSorted((a, b) => a - b));
  expect(places).toHaveLength(recent + random);
  expect(places.every((place) => place >= 0 && place < tokens)).toBe(true);
  expect(places.slice(random)).toEqual(Array.from({ length: recent }, (_, index) => tokens - recent + index));
});

it("draws other probes with other seeds", () => {
  const drawn = [1, 2, 3].map((seed) => probePlaces(200, { recent: 0.05, random: 0.05 }, mulberry32(seed)).join());
  expect(new Set(drawn).size).toBe(3);
});

/** Rows of softmax(q k / sqrt(d)) under the causal mask, in double precision. */
const causalWeights = (query: number[][], key: number[][]): number[][] =>
  query.map((q, row) => {
    const powers = key.map((k, token) =>
      token > row ? 0 : Math.exp(q.reduce((sum, x, channel) => sum + x * k[channel]!, 0) / Math.sqrt(q.length)),
    );
    const total = powers.reduce((sum, power) => sum + power, 0);
    return powers.map((power) => power / total);
  });

it("ZipCache's saliency is the sum of a column over its nonzeros, in double precision", () => {
  const random = mulberry32(7);
  const rows = (): number[][] => Array.from({ length: 24 }, () => Array.from({ length: 8 }, () => random() - 0.5));
  const weights = causalWeights(rows(), rows());
  const column = (token: number): number[] => weights.map((row) => row[token]!);
  const sums = weights.map((_, token) => column(token).reduce((sum, x) => sum + x, 0));
  const reads = weights.map((_, token) => column(token).filter((x) => x !== 0).length);
  const own = normalizedSaliency(sums, reads);
  for (const [token, saliency] of own.entries()) expect(saliency).toBeCloseTo(sums[token]! / (24 - token), 12);
  expect([...normalizedSaliency([0, 3], [0, 2])]).toEqual([0, 1.5]);
});

it("finds a late token that sums miss, because fewer queries see it", () => {
  const weightOf = (row: number, token: number): number => {
    if (token > row) return 0;
    if (row < 21) return 1 / (row + 1);
    return token === 21 ? 0.9 : 0.1 / row;
  };
  const rows = Array.from({ length: 24 }, (_, row) => row);
  const sums = rows.map((token) => rows.reduce((sum, row) => sum + weightOf(row, token), 0));
  expect([...mostSalient(sums, 1)]).toEqual([0]);
  expect([
    ...mostSalient(
      normalizedSaliency(
        sums,
        rows.map((token) => 24 - token),
      ),
      1,
    ),
  ]).toEqual([21]);
});

test.prop([fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 30 }), fc.nat(30)])(
  "no token left out is more salient than one taken",
  (saliency, count) => {
    const taken = new Set(mostSalient(saliency, count));
    expect(taken.size).toBe(Math.min(count, saliency.length));
    const least = Math.min(...[...taken].map((place) => saliency[place]!));
    for (const [place, number] of saliency.entries())
      if (!taken.has(place)) expect(taken.size === 0 || number <= least).toBe(true);
  },
);

it("MiKV's balancer keeps products and evens out the channels of keys and queries, in double precision", () => {
  const largestQuery = [4, 1, 9, 0, 1];
  const largestKey = [1, 4, 0.25, 2, 0];
  const balance = [...queryKeyBalance(largestQuery, largestKey)];
  expect(balance).toEqual([2, 0.5, 6, 1, 1]);
  for (const channel of [0, 1, 2])
    expect(largestKey[channel]! * balance[channel]!).toBeCloseTo(largestQuery[channel]! / balance[channel]!, 12);
});
