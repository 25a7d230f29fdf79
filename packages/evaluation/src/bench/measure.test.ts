import { expect, test } from "vitest";
import { measure } from "./measure.ts";
import { contextReport, median } from "./report.ts";
import type { Variant } from "./variant.ts";

const quiet = { progress: () => undefined };
const ids = Int32Array.from({ length: 2000 }, (_, index) => index);

/** Takes `costMs` per token, and records its calls. */
const fakeVariant = (name: string, kind: Variant["kind"], costMs: number, journal: string[]): Variant => {
  let held: number[] = [];
  return {
    name,
    kind,
    threads: 1,
    bytesAt: (length) => 2 * length,
    prefill: async (piece) => {
      held.push(...piece);
      journal.push(`${name} prefill ${piece[0]}..${piece.at(-1)}`);
      return costMs * piece.length;
    },
    fill: async (length) => {
      held = [...ids.subarray(0, length)];
    },
    decode: async (next) => {
      expect(held).toEqual([...ids.subarray(0, next[0])]);
      journal.push(`${name} decode ${next.join()}`);
      return [...next].map((_, index) => (index === 0 ? 1000 : costMs));
    },
    clear: async () => {
      held = [];
    },
    dispose: async () => undefined,
  };
};

test("variants take turns: the text piece by piece, then rounds of the same tokens after it", async () => {
  const journal: string[] = [];
  const variants = [fakeVariant("a", "plan", 2, journal), fakeVariant("b", "plan", 3, journal)];
  const settings = { contexts: [3, 1000], fill: "text", rounds: 2, tokens: 2, ids } as const;
  const measured = await measure(variants, settings, quiet);

  expect(journal.slice(0, 6).toSorted()).toEqual(["a", "a", "a", "b", "b", "b"].map((name) => `${name} prefill 0..2`));
  expect(journal.slice(6, 12).toSorted()).toEqual(["a", "a", "a", "b", "b", "b"].map((name) => `${name} decode 3,4,5`));
  expect(journal.slice(12, 16)).toEqual(
    ["3..514", "515..999"].flatMap((piece) => [`a prefill ${piece}`, `b prefill ${piece}`]),
  );
  for (let index = 0; index < journal.length; index += 2) expect(journal[index]?.[0]).not.toBe(journal[index + 1]?.[0]);
  expect(journal[0]?.[0]).not.toBe(journal[2]?.[0]);
  // The first token of a round, of 1000 ms, does not count; prefill is the sum of all pieces.
  expect(measured.map(([a, b]) => [a, b])).toEqual(
    [3, 1000].map((context) =>
      [2, 3].map((cost) => ({ decodeMs: [cost, cost, cost, cost], prefillMs: cost * context })),
    ),
  );
});

test("synthetic numbers fill to each context in turn, and time no prefill", async () => {
  const settings = { contexts: [5, 700], fill: "synthetic", rounds: 1, tokens: 1, ids } as const;
  const measured = await measure([fakeVariant("a", "plan", 2, [])], settings, quiet);
  expect(measured).toEqual([[{ decodeMs: [2] }], [{ decodeMs: [2] }]]);
});

test("ratios are times of the other over own times", () => {
  const variants = (["plan", "float32", "peer", "peer"] as const).map((kind, index) =>
    fakeVariant(`v${index}`, kind, 1, []),
  );
  const times = [10, 20, 30, 60].map((ms) => ({ decodeMs: [ms, ms, 9 * ms], prefillMs: 100 * ms }));
  const { variants: reports } = contextReport(50, variants, times);
  expect(reports.map(({ decode }) => [decode.overFirst, decode.overFastestPeer])).toEqual([
    [1, 3],
    [0.5, 1.5],
    [1 / 3, 1],
    [1 / 6, 0.5],
  ]);
  expect(reports[0]).toMatchObject({
    cacheBytes: 100,
    decode: { medianMs: 10, upperQuartileMs: 50, samples: 3, overPeer: { v2: 3, v3: 6 } },
    prefill: { timeMs: 1000, tokensPerSecond: 50, overFastestPeer: 3 },
  });
});

test("the median is the middle, or the mean of the two in the middle", () => {
  expect(median([5])).toBe(5);
  expect(median([9, 1, 5])).toBe(5);
  expect(median([9, 1, 5, 4])).toBe(4.5);
});
