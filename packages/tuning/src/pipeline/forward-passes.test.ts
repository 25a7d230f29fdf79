import { expect, test } from "vitest";
import { searchSpace } from "../space/space.ts";
import type { EvaluationEntry } from "./evaluation-entry.ts";
import { countPasses, estimatePasses, measurePasses, type StudyWork } from "./forward-passes.ts";

const shape = { layers: 4, queryHeads: 2, kvHeads: 1, headSize: 32 };
const pairs = ([8, 4, 2] as const).map((bits) => ({ key: bits, value: bits }));
const space = searchSpace(shape, { mode: "per-token", pairs, context: 256, cost: "true" });
const candidate = { id: "K8V8", bits: 8, errors: { key: [], value: [], attention: [], output: [] } };
const half = { id: "K8V16", estimate: 1, standardError: 0, outputError: 0 };
const work = (layers: StudyWork["profile"]["layers"], others: Partial<StudyWork> = {}): StudyWork => ({
  space,
  tokens: 64,
  fitting: undefined,
  profile: { version: 1, shape, contextLength: 256, layers },
  entries: [],
  prompts: undefined,
  ...others,
});

test("a measured profile takes the passes that measuring it was expected to take", () => {
  const layers = Array.from({ length: 4 }, (_, layer) => ({
    layer,
    candidates: pairs.map(() => ({ ...candidate, kl: 1 })),
  }));
  const { profile, measuredCases } = countPasses(work(layers));
  expect(profile).toBeCloseTo(measurePasses(space), 9);
  expect(measuredCases).toBe(12);
});

test("an estimated profile takes that of estimates, and of each measured half the layers from its own on", () => {
  const halvesOf = (kl: object) => [half, { ...half, ...kl }];
  const layers = [1, 3].map((layer) => ({ layer, candidates: [candidate], halves: halvesOf({ kl: 1 }) }));
  const counts = countPasses(work(layers));
  expect(counts.profile - estimatePasses(space, 64)).toBeCloseTo(2 + 3 / 4 + 1 / 4, 9);
  expect(counts.measuredCases).toBe(2);
  const none = countPasses(work([{ layer: 0, candidates: [candidate], halves: halvesOf({}) }]));
  expect(none).toEqual({ fitting: 0, profile: estimatePasses(space, 64), search: 0, measuredCases: 0 });
});

test("estimates cost more of long texts, up to the attention of every half", () => {
  const lengths = [1, 64, 1024, 1e9].map((tokens) => estimatePasses(space, tokens));
  expect(lengths).toEqual(lengths.toSorted((a, b) => a - b));
  expect(lengths[0]).toBeCloseTo(6, 1);
  expect(lengths[3]).toBeCloseTo(6 + 12, 1);
});

test("a plan that was dropped counts by the prompts it was evaluated on", () => {
  const entry = (prompts: number): EvaluationEntry =>
    ({ choices: [], kl: 1, klStandardError: 0, task: { prompts } }) as unknown as EvaluationEntry;
  const { search } = countPasses(work([], { entries: [entry(100), entry(25)], prompts: 100 }));
  expect(search).toBeCloseTo(1.25, 9);
});
