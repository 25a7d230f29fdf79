import { fc, test } from "@fast-check/vitest";
import { layerBytes, type Bits, type TensorScheme } from "@kvtuner/plan";
import { describe, expect } from "vitest";
import {
  attentionOutputBound,
  attentionWeightBound,
  blockErrorBound,
  decodeBlock,
  encodeBlock,
  encodedBytes,
  fakeQuantize,
  float16FromNumber,
  groupErrorBound,
  numberFromFloat16,
  scoreErrorBound,
} from "./index.ts";

const bits = fc.constantFrom<Bits>(2, 3, 4, 5, 6, 8);
const format = fc.constantFrom("affine" as const, "symmetric" as const);
const transform = fc.constantFrom("none" as const, "hadamard" as const);
const scheme: fc.Arbitrary<TensorScheme> = fc.oneof(
  fc.record({
    bits,
    format,
    transform,
    axis: fc.constant("token" as const),
    groupSize: fc.constantFrom("head" as const, 32, 64, 128),
    blockSize: fc.constant(1),
  }),
  fc
    .record({ bits, format, transform, groupSize: fc.constantFrom(32, 64, 128) })
    .map((rest) => ({ ...rest, axis: "channel" as const, blockSize: rest.groupSize })),
);
const number = fc.oneof(
  { weight: 4, arbitrary: fc.float({ min: -8, max: 8, noNaN: true }) },
  fc.float({ min: -9000, max: -8990, noNaN: true }),
  fc.constantFrom(0, -0, 1e4, 1e-7, -1e-8, Math.fround(1e-40), 6.103515625e-5, 8000, -8000),
);
const headSize = fc.constantFrom(24, 64, 80, 128);
const block = (size: number, tokens: number) =>
  fc
    .oneof(
      number.map((x) => [x]),
      fc.array(number, { minLength: 1, maxLength: 97 }),
    )
    .map((seed) => Float32Array.from({ length: tokens * size }, (_, i) => seed[(i * 31) % seed.length]!));
const sample = fc
  .tuple(scheme, headSize, fc.constantFrom(1, 32, 40, 128))
  .chain(([s, size, tokens]) => block(size, tokens).map((x) => ({ s, size, tokens, x })));

describe("encoded blocks", () => {
  test("every float16 survives as bits", () => {
    for (let code = 0; code < 0x7c00; code++) expect(float16FromNumber(numberFromFloat16(code))).toBe(code);
  });
  test.prop([sample])("decoding stays within the bounds", ({ s, size, tokens, x }) => {
    const decoded = decodeBlock(encodeBlock(x, tokens, size, s), tokens, size, s);
    const { perNumber, perToken } = blockErrorBound(x, tokens, size, s);
    for (let token = 0; token < tokens; token++) {
      let squares = 0;
      for (let i = token * size; i < (token + 1) * size; i++) {
        expect(Math.abs(decoded[i]! - x[i]!)).toBeLessThanOrEqual(perNumber);
        squares += (decoded[i]! - x[i]!) ** 2;
      }
      expect(Math.sqrt(squares)).toBeLessThanOrEqual(perToken[token]!);
    }
  });
  test.prop([sample])("quantizing in place equals decoding packed blocks, bit for bit", ({ s, size, x }) => {
    const tokens = s.blockSize;
    const rows = Float32Array.from({ length: tokens * size }, (_, i) => x[i % x.length]!);
    const target = new Float32Array(rows.length);
    fakeQuantize(rows, target, { tokens, heads: 1, headSize: size }, s);
    const decoded = decodeBlock(encodeBlock(rows, tokens, size, s), tokens, size, s);
    expect(new Uint32Array(target.buffer)).toEqual(new Uint32Array(decoded.buffer));
  });
  test.prop([scheme, headSize])("bytes are those the plan counts", (s, size) => {
    const encoded = encodeBlock(new Float32Array(s.blockSize * size), s.blockSize, size, s);
    const shape = { layers: 1, queryHeads: 1, kvHeads: 1, headSize: size };
    const counted = layerBytes({ key: s, value: s, window: 0, sinks: 0 }, shape, s.blockSize);
    expect(encoded.codes.length).toBe(counted.keyCodes);
    expect(encoded.scales.byteLength + encoded.minima.byteLength).toBe(counted.keyParameters);
    expect(encodedBytes(s.blockSize, size, s)).toBe(counted.keyCodes + counted.keyParameters);
  });
  test.each([NaN, Infinity, -Infinity, 65_520])("refuses %s", (value) => {
    const s: TensorScheme = { bits: 4, format: "affine", axis: "token", groupSize: 32, blockSize: 1, transform: "none" };
    const code = Number.isFinite(value) ? "QUANTIZERS_BEYOND_FLOAT16" : "QUANTIZERS_NOT_FINITE";
    expect(() => encodeBlock(Float32Array.of(0, value), 1, 2, s)).toThrow(expect.objectContaining({ code, index: 1 }));
  });
  test.prop([bits, format])("some input reaches 90% of a group's bound", (b, f) => {
    const s: TensorScheme = { bits: b, format: f, axis: "token", groupSize: 32, blockSize: 1, transform: "none" };
    const top = f === "affine" ? 2 ** b - 1 : 2 ** (b - 1) - 1;
    const x = Float32Array.of(f === "affine" ? 0 : -top, 0.5, top);
    const decoded = decodeBlock(encodeBlock(x, 1, 3, s), 1, 3, s);
    expect(Math.abs(decoded[1]! - 0.5)).toBeGreaterThanOrEqual(0.9 * groupErrorBound(x[0]!, top, s));
  });
});

describe("attention", () => {
  const entry = fc.tuple(...[4, 1, 3].map((m) => fc.double({ min: -m, max: m, noNaN: true })));
  test.prop([fc.array(entry, { minLength: 1, maxLength: 9 }), fc.double({ min: 0, max: 3, noNaN: true })])(
    "weights and output move no more than bounded",
    (entries, eps) => {
      const weights = (s: number[]) => s.map((x) => Math.exp(x) / s.reduce((t, y) => t + Math.exp(y), 0));
      const a = weights(entries.map(([score]) => score!));
      const moved = weights(entries.map(([score, shift]) => score! + eps * shift!));
      const change = a.reduce((sum, w, i) => sum + Math.abs(w - moved[i]!), 0);
      expect(change).toBeLessThanOrEqual(attentionWeightBound(eps) + 1e-12);
      const values = entries.map(([, , value]) => value!);
      const output = values.reduce((sum, v, i) => sum + v * a[i]! - (v + 0.1) * moved[i]!, 0);
      const spread = Math.max(...values) - Math.min(...values);
      expect(Math.abs(output)).toBeLessThanOrEqual(attentionOutputBound(eps, spread, 0.1) + 1e-12);
    },
  );
  test("a score moves by the error along the query", () => {
    expect(scoreErrorBound([3, -4], 0.1, 1)).toBeCloseTo(0.7);
    expect(scoreErrorBound([3, -4], 1, 0.1)).toBeCloseTo(0.5);
  });
});
