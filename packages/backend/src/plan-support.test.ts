import {
  type AffineScheme,
  type CacheShape,
  FLOAT16,
  FORMATS,
  type LayerScheme,
  layerScheme,
  PLAIN_TRANSFORM,
  schemeLabel,
  type TensorScheme,
} from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import type { CachePlan } from "./backend.ts";
import { type Capabilities, capabilitiesOf, type KernelRange } from "./capabilities.ts";
import { nearestScheme, supportsScheme } from "./nearest-scheme.ts";
import { assertPlanSupported } from "./plan-support.ts";

const shape: CacheShape = { layers: 2, queryHeads: 6, kvHeads: 2, headSize: 64 };
const capabilities: Capabilities = {
  key: [
    { kind: "float16" },
    { kind: "affine", bits: [4, 8], formats: ["affine"], axis: "token", groupSizes: ["head"], transforms: ["none"] },
    { kind: "affine", bits: [2, 4], formats: ["affine"], axis: "channel", groupSizes: [32], transforms: ["none"] },
  ],
  value: [
    {
      kind: "affine",
      bits: [2, 4],
      formats: ["symmetric"],
      axis: "token",
      groupSizes: [32, "head"],
      transforms: ["none"],
    },
  ],
  headSizes: [64, 128],
  maxCacheBytes: 1e9,
  maxTokens: 1000,
  deviceTensors: false,
};
const kivi = layerScheme("kivi", { key: 4, value: 4 });
const key = kivi.key as AffineScheme;
const value: AffineScheme = { ...key, axis: "token", groupSize: "head", blockSize: 1, format: "symmetric" };
const layer: LayerScheme = { ...kivi, value };
const check = (layers = [layer, layer], planShape = shape, own = shape): void =>
  assertPlanSupported("small", capabilities, own, { shape: planShape, layers });

describe("a plan", () => {
  it("passes when one family has each scheme, in any block size, and float16", () => {
    expect(() => check()).not.toThrow();
    expect(() => check([layer, { ...layer, key: FLOAT16 }])).not.toThrow();
  });

  it.each([undefined, {}, { shape }, { layers: [layer, layer] }])("is rejected if it is not a plan: %j", (plan) => {
    expect(() => assertPlanSupported("small", capabilities, shape, plan as CachePlan)).toThrow(
      expect.objectContaining({ code: "BACKEND_PLAN_INVALID" }),
    );
  });

  it.each<[string, Partial<AffineScheme>, Partial<AffineScheme>]>([
    ["bits: more when two are as near", { bits: 3 }, { bits: 4 }],
    ["bits of the same axis", { bits: 8 }, { bits: 4 }],
    ["format", { format: "symmetric" }, { format: "affine" }],
    ["transform", { transform: "hadamard" }, { transform: "none" }],
    ["clip", { clip: 0.9 }, {}],
    ["parameters", { parameters: "two-level" }, {}],
    ["a table", { transform: "table" }, {}],
    ["group and whole blocks", { groupSize: 48, blockSize: 48 }, { groupSize: 32, blockSize: 64 }],
  ])("is rejected with layer, scheme and the nearest supported one: %s", (_, asked, nearest) => {
    const scheme = { ...key, ...asked };
    expect(() => check([layer, { ...layer, key: scheme }])).toThrow(
      expect.objectContaining({
        code: "BACKEND_UNSUPPORTED_SCHEME",
        layer: 1,
        scheme,
        message: `backend small cannot store the keys of layer 1 as ${schemeLabel(scheme)}; nearest supported: ${schemeLabel({ ...key, ...nearest })}`,
      }),
    );
  });

  it("is rejected for values in float16 that no family has", () => {
    expect(() => check([layer, { ...layer, value: FLOAT16 }])).toThrow(/nearest supported: 4-bit/);
  });

  it("is rejected for a codec that no family has, with the nearest scheme of another", () => {
    const codebook: TensorScheme = {
      kind: "codebook",
      bits: 3,
      levels: "levels",
      scales: "dynamic",
      outliers: 0.01,
      stage: "as-given",
      frequencies: "none",
      pairing: "none",
      blockSize: 32,
    };
    expect(() => check([layer, { ...layer, key: codebook }])).toThrow(
      /keys of layer 1 as 3-bit codebook.*; nearest supported: 4-bit affine/,
    );
  });

  it("passes with the fields of another codec that kernels list, and no others", () => {
    const fields = { ...FORMATS.transform.fields, gain: ["log4"] };
    const range: KernelRange = {
      bits: [4],
      keyAxes: ["token"],
      valueAxes: ["token"],
      headSizes: [64],
      valueFamilies: [{ kind: "transform", fields }],
    };
    const { value: families } = capabilitiesOf(range, capabilities);
    const turned: TensorScheme = { ...PLAIN_TRANSFORM, bits: 3, rotation: "turn", gain: "log4" };
    expect(supportsScheme(families, turned)).toBe(true);
    expect(supportsScheme(families, { ...turned, gain: "norm16" })).toBe(false);
    expect(supportsScheme(capabilitiesOf(range, capabilities).key, turned)).toBe(false);
    expect(nearestScheme(families, { ...turned, gain: "norm16" }, 64)).toMatchObject({
      kind: "transform",
      gain: "log4",
    });
  });

  it("is rejected if it is for another shape, or lacks a layer", () => {
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
    [{ ...shape, queryHeads: 5 }, /divisible by the KV heads/],
    [{ ...shape, queryHeads: 0 }, /positive integer/],
  ])("is rejected for the shape %o", (own, message) => {
    expect(() => check([layer, layer], own, own)).toThrow(
      expect.objectContaining({ code: "BACKEND_UNSUPPORTED_SHAPE", message: expect.stringMatching(message) }),
    );
  });

  it.each([
    ["recent tokens", { ...layer, residency: { ...layer.residency, recent: -1 } }],
    ["sinks", { ...layer, residency: { ...layer.residency, sinks: 1.5 } }],
    ["residency", { ...layer, residency: { ...layer.residency, kind: "salient" as "prefix" } }],
    ["channel groups in blocks", { ...layer, key: { ...key, blockSize: 40 } }],
    ["token groups in heads", { ...layer, value: { ...value, groupSize: 65 } }],
    ["clip", { ...layer, value: { ...value, clip: 0 } }],
    ["blocks", { ...layer, value: { ...value, blockSize: 0 } }],
  ])("is rejected if no cache can follow it: %s", (_, bad) => {
    expect(() => check([layer, bad])).toThrow(expect.objectContaining({ code: "BACKEND_PLAN_INVALID" }));
  });
});
