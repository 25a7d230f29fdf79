import { cacheReport } from "@kvtuner/backend";
import { layerScheme, uniformPlan } from "@kvtuner/plan";
import { expect, test } from "vitest";
import type { RunResult } from "../../run/runner.ts";
import { reportText } from "./report-text.ts";

const NOTHING = { tokens: 0, timeMs: 0, tokensPerSecond: 0 };

const interrupted: RunResult = {
  text: "",
  ids: [],
  finish: "interrupted",
  prompt: { tokens: 1, reused: 0 },
  prefill: NOTHING,
  decode: NOTHING,
  backend: "cpu",
  cache: { tokens: 0, bytes: { parts: {}, total: 0 }, bytes16: 0, bits: 16 },
};

test("a generation interrupted before it started has nothing in brackets", () => {
  expect(reportText(interrupted)).toBe(
    "1 token of prompt, 0 generated, interrupted\n" +
      "prefill nothing, decode nothing, on cpu\n" +
      "cache of 0 tokens: 0 B; 16 bits would take 0 B\n",
  );
});

test.each([
  [1187.4, "1190"],
  [45.04, "45"],
  [0.01234, "0.0123"],
])("a speed of %d is printed as %s", (tokensPerSecond, text) => {
  const prefill = { tokens: 6, timeMs: 1, tokensPerSecond };
  expect(reportText({ ...interrupted, prefill })).toContain(`prefill 6 at ${text} tokens/s`);
});

test("assets are told apart from the cache", () => {
  const shape = { layers: 1, queryHeads: 1, kvHeads: 1, headSize: 64 };
  const plan = uniformPlan({ name: "m", architecture: "llama" }, shape, layerScheme("kivi", { key: 4, value: 4 }));
  const assets = [{ name: "mean", dtype: "uint8", shape: [30], data: new Uint8Array(30) } as const];
  const empty = { shape, length: 0, bytes: () => interrupted.cache.bytes };
  const textOf = (one: typeof plan): string => reportText({ ...interrupted, ...cacheReport(empty, one) });
  expect(textOf({ ...plan, assets })).toBe(textOf(plan).replace(/\n$/, "; assets at any length 30 B\n"));
});
