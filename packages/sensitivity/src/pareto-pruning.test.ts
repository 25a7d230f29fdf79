import { fc, test } from "@fast-check/vitest";
import type { Pair } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import { fullPairs, keyFirstPairs, lossVector, paperPairs, paretoPrune, pruneProfile } from "./index.ts";
import type { HeadErrors, Profile } from "./index.ts";
import { SensitivityError } from "./layer-input.ts";
import type { PricedCandidate } from "./pareto-pruning.ts";

/** Few distinct values, so that ties are common. */
const candidate = fc.record({
  bits: fc.oneof(fc.integer({ min: 2, max: 8 }), fc.double({ min: 2, max: 16, noNaN: true })),
  error: fc.oneof(
    fc.constantFrom(0, 0.125, 0.5, 1),
    fc.nat(1000).map((n) => n / 503),
  ),
});
const candidates = fc.array(candidate, { maxLength: 16 });

const isBeaten = (a: PricedCandidate, b: PricedCandidate): boolean =>
  b.bits <= a.bits && b.error <= a.error && (b.bits < a.bits || b.error < a.error);

const isSame = (a: PricedCandidate, b: PricedCandidate): boolean => a.bits === b.bits && a.error === b.error;

const points = (list: PricedCandidate[]): string[] =>
  paretoPrune(list)
    .map((index) => `${list[index]!.bits} ${list[index]!.error}`)
    .toSorted();

describe("paretoPrune", () => {
  test.prop([candidates])("keeps what brute force keeps, and of equal candidates the first", (all) => {
    const expected = all.flatMap((each, index) => {
      const loses = all.some((other) => isBeaten(each, other));
      const cameBefore = all.slice(0, index).some((other) => isSame(each, other));
      return loses || cameBefore ? [] : [index];
    });
    expect(paretoPrune(all)).toEqual(expected);
  });

  test.prop([candidates])("keeps candidates whose error falls as bits rise", (all) => {
    const kept = paretoPrune(all)
      .map((index) => all[index]!)
      .toSorted((a, b) => a.bits - b.bits);
    for (const [index, each] of kept.slice(1).entries()) {
      expect(each.bits).toBeGreaterThan(kept[index]!.bits);
      expect(each.error).toBeLessThan(kept[index]!.error);
    }
    expect(kept.length > 0).toBe(all.length > 0);
  });

  test.prop([
    candidates.chain((all) =>
      fc.tuple(fc.constant(all), fc.shuffledSubarray([...all.keys()], { minLength: all.length })),
    ),
  ])("does not depend on the order of candidates", ([all, order]) => {
    const shuffled = order.map((index) => all[index]!);
    expect(points(shuffled)).toEqual(points(all));
  });

  test.prop([candidates])("prunes nothing the second time", (all) => {
    const kept = paretoPrune(all);
    expect(paretoPrune(kept.map((index) => all[index]!))).toEqual([...kept.keys()]);
  });

  it("accepts infinite errors, and rejects NaN by name", () => {
    expect(
      paretoPrune([
        { bits: 2, error: Infinity },
        { bits: 4, error: 1 },
      ]),
    ).toEqual([0, 1]);
    expect(() => paretoPrune([{ bits: 2, error: Number.NaN }])).toThrow(SensitivityError);
    expect(() => paretoPrune([{ bits: Number.NaN, error: 0 }])).toThrow(/NaN bits .* for candidate 0/);
  });
});

describe("candidate sets", () => {
  it("holds the paper's nine pairs, all sixteen, and the key-first five", () => {
    expect(paperPairs.map(name).join(" ")).toBe("KV8 K8V4 K8V2 K4V8 KV4 K4V2 K2V8 K2V4 KV2");
    expect(new Set(fullPairs.map(name)).size).toBe(16);
    expect(fullPairs.map(name)).toEqual(expect.arrayContaining(paperPairs.map(name)));
    expect(keyFirstPairs.map(name).join(" ")).toBe("KV8 K8V4 KV4 K4V2 KV2");
  });

  // e_o by pair, in the order of paperPairs: arXiv 2502.04420, Table 3 and Figures 16 and 19 (per-token).
  it.each([
    ["Llama-3.1-8B", [0.014, 0.1, 0.401, 0.168, 0.207, 0.453, 0.882, 0.892, 0.962]],
    ["Qwen2.5-7B", [0.033, 0.117, 0.446, 0.292, 0.324, 0.557, 0.948, 0.958, 1.038]],
    ["Mistral-7B-v0.3", [0.013, 0.102, 0.411, 0.149, 0.191, 0.453, 0.823, 0.837, 0.939]],
  ])("prunes the paper's mean e_o of %s to the key-first set", (_model, outputErrors) => {
    const kept = paretoPrune(
      paperPairs.map(({ key, value }, index) => ({ bits: (key + value) / 2, error: outputErrors[index]! })),
    );
    expect(kept.map((index) => paperPairs[index]!)).toEqual(keyFirstPairs);
  });
});

const errors = (...output: number[]): HeadErrors => ({ key: output, value: output, attention: output, output });

describe("pruneProfile", () => {
  const profile: Profile = {
    version: 1,
    shape: { layers: 1, queryHeads: 2, kvHeads: 2, headSize: 8 },
    contextLength: 4096,
    layers: [
      {
        layer: 0,
        candidates: [
          { id: "KV8", bits: 8.1, errors: errors(0.1, 0.1), kl: 0.003 },
          { id: "K8V4", bits: 6.1, errors: errors(0, 0.3), kl: 0.002 },
          { id: "K4V8", bits: 6.1, errors: errors(0.1, 0.1), kl: 0.01 },
        ],
      },
    ],
  };

  it("prunes by the mean output error over heads, or by the layer's own KL", () => {
    expect(pruneProfile(profile, "eo")).toEqual([["K4V8"]]);
    expect(pruneProfile(profile, "kl")).toEqual([["K8V4"]]);
  });

  it("survives JSON unchanged", () => {
    expect(JSON.parse(JSON.stringify(profile))).toEqual(profile);
  });

  it("gives the losses of named candidates", () => {
    expect(lossVector(profile.layers[0]!, ["K8V4", "KV8"])).toEqual([0.15, 0.1]);
    expect(lossVector(profile.layers[0]!, ["K4V8"], "kl")).toEqual([0.01]);
    expect(() => lossVector(profile.layers[0]!, ["KV3"])).toThrow(/\(KV8, K8V4, K4V8\), got "KV3"/);
  });

  it("prunes by estimates", () => {
    const estimates = [0.02, 0.01, 0.03];
    const layers = profile.layers.map((layer) => ({
      ...layer,
      candidates: layer.candidates.map((each, index) => ({ ...each, estimate: estimates[index]! })),
    }));
    expect(pruneProfile({ ...profile, layers }, "gradient")).toEqual([["K8V4"]]);
    expect(() => pruneProfile(profile, "gradient")).toThrow(/estimated KL of "KV8" in layer 0, got none/);
  });

  it("says which layer has no KL", () => {
    const layers = [{ layer: 0, candidates: [{ id: "KV8", bits: 8, errors: errors(1) }] }];
    expect(() => pruneProfile({ ...profile, layers }, "kl")).toThrow(/KL of "KV8" in layer 0, got none/);
  });
});

function name({ key, value }: Pair): string {
  return key === value ? `KV${key}` : `K${key}V${value}`;
}
