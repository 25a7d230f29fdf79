import { type CacheShape, layerScheme, type TensorScheme } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import type { CachePlan } from "./backend.ts";
import type { Capabilities } from "./capabilities.ts";
import { assertPlanSupported } from "./plan-support.ts";

const shape: CacheShape = { layers: 2, queryHeads: 6, kvHeads: 2, headSize: 64 };
const capabilities: Capabilities = {
  key: [
    { bits: [4, 8, 16], formats: ["affine"], axis: "token", groupSizes: ["head"], transforms: ["none"] },
    { bits: [2, 4], formats: ["affine"], axis: "channel", groupSizes: [32], transforms: ["none"] },
  ],
  value: [{ bits: [2, 4], formats: ["symmetric"], axis: "token", groupSizes: [32, "head"], transforms: ["none"] }],
  headSizes: [64, 128],
  maxCacheBytes: 1e9,
  maxTokens: 1000,
  deviceTensors: false,
};
const value: TensorScheme = { ...layerScheme("per-token", { key: 4, value: 4 }).value, format: "symmetric" };
const layer = { ...layerScheme("kivi", { key: 4, value: 4 }), value };
const check = (layers = [layer, layer], planShape = shape, own = shape): void =>
  assertPlanSupported("small", capabilities, own, { shape: planShape, layers });

describe("a plan", () => {
  it("passes when one family has each scheme, in any block size, and 16 bits in any scheme", () => {
    expect(() => check()).not.toThrow();
    expect(() => check([layer, { ...layer, key: { ...layer.key, bits: 16, groupSize: 7 } }])).not.toThrow();
  });

  it.each([undefined, {}, { shape }, { layers: [layer, layer] }])("is refused when it is none: %j", (plan) => {
    expect(() => assertPlanSupported("small", capabilities, shape, plan as CachePlan)).toThrow(
      expect.objectContaining({ code: "BACKEND_PLAN_INVALID" }),
    );
  });

  it.each<[string, Partial<TensorScheme>, Partial<TensorScheme>]>([
    ["bits: more when two are as near", { bits: 3 }, { bits: 4 }],
    ["bits of the same axis", { bits: 8 }, { bits: 4 }],
    ["format", { format: "symmetric" }, { format: "affine" }],
    ["transform", { transform: "hadamard" }, { transform: "none" }],
    ["group and whole blocks", { groupSize: 48, blockSize: 48 }, { groupSize: 32, blockSize: 64 }],
  ])("is refused by layer, scheme and the nearest supported: %s", (_, asked, nearest) => {
    const key = { ...layer.key, ...asked };
    const name = (scheme: TensorScheme): string =>
      `${scheme.bits}-bit ${scheme.format}, axis ${scheme.axis}, group ${scheme.groupSize}, block ${scheme.blockSize}, transform ${scheme.transform}`;
    expect(() => check([layer, { ...layer, key }])).toThrow(
      expect.objectContaining({
        code: "BACKEND_UNSUPPORTED_SCHEME",
        layer: 1,
        scheme: key,
        message: `backend small cannot store the keys of layer 1 as ${name(key)}; nearest supported: ${name({ ...layer.key, ...nearest })}`,
      }),
    );
  });

  it("is refused for values that no family has in 16 bits", () => {
    expect(() => check([layer, { ...layer, value: { ...value, bits: 16 } }])).toThrow(/nearest supported: 4-bit/);
  });

  it("is refused when it is for another shape, or lacks a layer", () => {
    expect(() => check([layer, layer], { ...shape, kvHeads: 3 })).toThrow(
      expect.objectContaining({
        code: "BACKEND_PLAN_SHAPE",
        message: expect.stringContaining("kvHeads 3 in the plan"),
      }),
    );
    expect(() => check([layer])).toThrow(expect.objectContaining({ code: "BACKEND_PLAN_SHAPE" }));
  });

  it.each([
    [{ ...shape, headSize: 80 }, /head sizes 64, 128, got 80/],
    [{ ...shape, queryHeads: 5 }, /equal groups/],
    [{ ...shape, queryHeads: 0 }, /whole positive/],
  ])("is refused for the shape %o", (own, message) => {
    expect(() => check([layer, layer], own, own)).toThrow(
      expect.objectContaining({ code: "BACKEND_UNSUPPORTED_SHAPE", message: expect.stringMatching(message) }),
    );
  });

  it.each([
    ["window", { ...layer, window: -1 }],
    ["sinks", { ...layer, sinks: 1.5 }],
    ["channel groups in blocks", { ...layer, key: { ...layer.key, blockSize: 40 } }],
    ["token groups in heads", { ...layer, value: { ...value, groupSize: 65 } }],
    ["blocks", { ...layer, value: { ...value, blockSize: 0 } }],
  ])("is refused when no cache can follow it: %s", (_, bad) => {
    expect(() => check([layer, bad])).toThrow(expect.objectContaining({ code: "BACKEND_PLAN_INVALID" }));
  });
});
