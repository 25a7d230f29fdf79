import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CacheShape } from "@kvtuner/plan";
import { expect, test } from "vitest";
import { writeTinyModel } from "../test/tiny-model.ts";
import { inspect } from "./inspect.ts";
import { layerRuns } from "./layer-runs.ts";

const inspectSliding = (pattern: readonly number[], shared = 0): ReturnType<typeof inspect> => {
  const target = join(mkdtempSync(join(tmpdir(), "kvtuner-inspect-")), "tiny.gguf");
  writeTinyModel(target, {
    "llama.attention.sliding_window": 16,
    "llama.attention.sliding_window_pattern": [...pattern],
    "llama.attention.shared_kv_layers": shared,
  });
  return inspect({ target, context: 1000 });
};

const SIZES = { queryHeads: 2, kvHeads: 1, headSize: 32 };

test("a model with sliding layers is listed layer by layer, and their bytes end with the span", async () => {
  const [sliding, full] = [4 * 32 * 15, 4 * 32 * 1000];
  const report = await inspectSliding([1, 1, 0]);
  expect(report).toMatchObject({
    layers: [
      { first: 0, last: 1, attention: "sliding", span: 16, ...SIZES, bytes: sliding },
      { first: 2, last: 2, attention: "full", ...SIZES, bytes: full },
    ],
    bytesPerToken: 3 * 4 * 32,
    bytes16: 2 * sliding + full,
  });
  const k8v8 = report.kind === "model" ? report.uniform.find(({ plan }) => plan === "per-token:K8V8") : undefined;
  expect(k8v8?.bytes).toBe((2 * 15 + 1000) * 2 * (32 + 4));
  expect(await inspectSliding([0, 0, 0])).toMatchObject({ layers: [{ first: 0, last: 2, attention: "full" }] });
});

test("a model whose last layer shares a cache counts it once", async () => {
  const report = await inspectSliding([0, 1, 0], 1);
  expect(report).toMatchObject({
    layers: [
      { first: 0, last: 0, attention: "full", bytes: 4 * 32 * 1000 },
      { first: 1, last: 1, attention: "sliding" },
      { first: 2, last: 2, attention: "shared", cacheOf: 0, bytes: 0 },
    ],
    bytesPerToken: 2 * 4 * 32,
    bytes16: 4 * 32 * (15 + 1000),
  });
  const layers = report.kind === "model" ? report.difficulty?.layers : [];
  expect(layers).toHaveLength(2);
});

test("layers that share a cache are listed with the layer that stores it, and take no bytes", () => {
  const shape: CacheShape = {
    layers: 2,
    ...SIZES,
    perLayer: [{ span: 5 }, {}],
    sharing: [
      { place: 2, cacheOf: 0, queryHeads: 4 },
      { place: 3, cacheOf: 1, queryHeads: 2 },
    ],
  };
  const { queryHeads: _, ...sizes } = SIZES;
  expect(layerRuns(shape, 100)).toEqual([
    { first: 0, last: 0, attention: "sliding", span: 5, ...SIZES, bytes: 4 * 32 * 4 },
    { first: 1, last: 1, attention: "full", ...SIZES, bytes: 4 * 32 * 100 },
    { first: 2, last: 2, attention: "shared", span: 5, cacheOf: 0, queryHeads: 4, ...sizes, bytes: 0 },
    { first: 3, last: 3, attention: "shared", cacheOf: 1, ...SIZES, bytes: 0 },
  ]);
});

test("layers without a cache are listed with their state, and others by their number in the model", () => {
  const shape: CacheShape = {
    layers: 2,
    ...SIZES,
    recurrent: [0, 1, 4].map((place) => ({ place, kind: "short convolution", stateBytes: 256 })),
  };
  const recurrent = { attention: "none", kind: "short convolution", stateBytes: 256 };
  expect(layerRuns(shape, 100)).toEqual([
    { first: 0, last: 1, ...recurrent },
    { first: 2, last: 3, attention: "full", ...SIZES, bytes: 4 * 32 * 100 },
    { first: 4, last: 4, ...recurrent },
  ]);
});
