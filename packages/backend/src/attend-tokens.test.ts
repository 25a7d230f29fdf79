import { type CacheShape, layerScheme } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { describe, expect, it } from "vitest";
import { attendTokens } from "./attend-tokens.ts";
import { assertFiniteTensors } from "./finite-tensors.ts";

const shape: CacheShape = { layers: 2, queryHeads: 4, kvHeads: 2, headSize: 8 };
const rows = (...dims: number[]): Tensor =>
  new Tensor("float32", new Float32Array(dims.reduce((a, b) => a * b, 1)), dims);
const device = (...dims: number[]): Tensor => ({ type: "float32", dims, location: "gpu-buffer" }) as unknown as Tensor;

describe("attendTokens", () => {
  it("returns the tokens of the call", () => {
    expect(attendTokens(shape, 1, rows(1, 3, 32), rows(1, 3, 16), rows(1, 3, 16))).toBe(3);
    const onDevice = [device(1, 3, 32), device(1, 3, 16), device(1, 3, 16)] as const;
    expect(attendTokens(shape, 1, ...onDevice, { deviceTensors: true })).toBe(3);
    expect(() => attendTokens(shape, 1, ...onDevice)).toThrow(
      expect.objectContaining({ code: "BACKEND_TENSOR_LOCATION" }),
    );
  });

  it.each([
    ["batch 2", [rows(2, 3, 32), rows(2, 3, 16), rows(2, 3, 16)], /batch 1, got batch 2/],
    ["no tokens", [rows(1, 0, 32), rows(1, 0, 16), rows(1, 0, 16)], /tokens from 1/],
    ["two dimensions", [rows(3, 32), rows(3, 16), rows(3, 16)], /query of layer 1/],
    ["other tokens", [rows(1, 3, 32), rows(1, 2, 16), rows(1, 3, 16)], /key of layer 1 as \[1, 3, 16\]/],
    ["other heads", [rows(1, 3, 32), rows(1, 3, 16), rows(1, 3, 32)], /value of layer 1 as \[1, 3, 16\]/],
  ] as const)("rejects the shape: %s", (_, [query, key, value], message) => {
    expect(() => attendTokens(shape, 1, query, key, value)).toThrow(
      expect.objectContaining({ code: "BACKEND_TENSOR_SHAPE", message: expect.stringMatching(message) }),
    );
  });

  it.each([
    ["none", undefined],
    ["no tensor", {} as Tensor],
    ["fewer numbers than dims", { type: "float32", dims: [1, 3, 16], location: "cpu", data: new Float32Array(47) }],
  ])("rejects what is not a tensor: %s", (_, key) => {
    expect(() => attendTokens(shape, 1, rows(1, 3, 32), key as Tensor, rows(1, 3, 16))).toThrow(
      expect.objectContaining({ code: "BACKEND_TENSOR_SHAPE", message: expect.stringMatching(/key of layer 1/) }),
    );
  });

  it("rejects other types, and layers that do not exist", () => {
    const key = new Tensor("float64", new Float64Array(16), [1, 1, 16]);
    expect(() => attendTokens(shape, 1, rows(1, 1, 32), key, rows(1, 1, 16))).toThrow(
      expect.objectContaining({ code: "BACKEND_TENSOR_DTYPE" }),
    );
    for (const layer of [-1, 2, 0.5, NaN])
      expect(() => attendTokens(shape, layer, rows(1, 1, 32), rows(1, 1, 16), rows(1, 1, 16))).toThrow(
        expect.objectContaining({ code: "BACKEND_LAYER" }),
      );
  });
});

describe("assertFiniteTensors", () => {
  const compact = layerScheme("compact", { key: 4, value: 4 });
  const destination = { layer: 0, scheme: compact, headSize: 8 };
  const filled = (value: number): Float32Array => new Float32Array(16).fill(value);
  const small = filled(1);

  it("accepts what float16 holds, and queries whose scores float32 holds", () => {
    expect(() => assertFiniteTensors(destination, filled(9e14), filled(-65_504), filled(23_000))).not.toThrow();
  });

  it.each([
    ["NaN query", filled(NaN), small, small],
    ["infinite query", filled(-Infinity), small, small],
    ["NaN key", small, filled(NaN), small],
    ["large key", small, filled(65_505), small],
    ["infinite value", small, small, filled(Infinity)],
    ["value that the transform makes too large", small, small, filled(24_000)],
  ])("rejects a %s", (_, query, key, value) => {
    expect(() => assertFiniteTensors(destination, query, key, value)).toThrow(
      expect.objectContaining({ code: "BACKEND_TENSOR_NOT_FINITE" }),
    );
  });
});
