import { fc, test } from "@fast-check/vitest";
import { type AffineScheme, FLOAT16, layerBytes, type TensorScheme } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import { decodeBlock, encodeBlock, encodedBytes } from "./block.ts";
import { fakeQuantize } from "./fake-quantize.ts";
import { MAX_FLOAT16 } from "./float16.ts";
import { anyHostility, hostileNumbers } from "./test-support/hostile-numbers.ts";
import { anyScheme, HEAD_SIZES } from "./test-support/schemes.ts";

const affineHead: AffineScheme = {
  kind: "affine",
  bits: 4,
  format: "affine",
  axis: "token",
  groupSize: "head",
  blockSize: 1,
  transform: "none",
};

test.prop(
  [
    anyScheme,
    fc.constantFrom(...HEAD_SIZES),
    fc.integer({ min: 1, max: 3 }),
    fc.integer({ min: 1, max: 140 }),
    anyHostility,
  ],
  {
    numRuns: 150,
  },
)("decoding packed blocks equals quantizing in place, bit for bit", (tensor, headSize, heads, tokens, hostility) => {
  const source = hostileNumbers(hostility, tokens * heads * headSize, 5000);
  const target = new Float32Array(source.length);
  fakeQuantize(source, target, { tokens, heads, headSize }, inBlocksOf(tensor, tokens));
  for (let head = 0; head < heads; head++) {
    const block = headBlock(source, head, heads, headSize);
    const own = inBlocksOf(tensor, tokens);
    const decoded = decodeBlock(encodeBlock(block, tokens, headSize, own), tokens, headSize, own);
    expect(firstDifference(decoded, headBlock(target, head, heads, headSize))).toBe(-1);
  }
});

const inBlocksOf = (tensor: TensorScheme, blockSize: number): TensorScheme =>
  tensor.kind === "float16" ? tensor : { ...tensor, blockSize };

/** Index of the first number whose bits differ. */
const firstDifference = (got: Float32Array, expected: Float32Array): number => {
  const bits = new Uint32Array(expected.buffer);
  return new Uint32Array(got.buffer).findIndex((word, index) => word !== bits[index]);
};

const headBlock = (rows: Float32Array, head: number, heads: number, headSize: number): Float32Array =>
  rows.filter((_, index) => Math.floor(index / headSize) % heads === head);

test.prop([anyScheme, fc.constantFrom(...HEAD_SIZES), fc.integer({ min: 1, max: 3 }), anyHostility], { numRuns: 60 })(
  "a block takes the bytes that the plan counts",
  (anyOf, headSize, blocks, hostility) => {
    const tokens = blocks * (anyOf.kind === "affine" && anyOf.axis === "channel" ? (anyOf.groupSize as number) : 1);
    const tensor = inBlocksOf(anyOf, tokens);
    const block = encodeBlock(hostileNumbers(hostility, tokens * headSize, 5000), tokens, headSize, tensor);
    const counted = layerBytes(
      { key: tensor, value: affineHead, residency: { kind: "prefix", sinks: 0, recent: 0 } },
      { queryHeads: 1, kvHeads: 1, headSize },
      tokens,
    );
    const keyBytes = Object.entries(counted.parts).reduce(
      (sum, [part, bytes]) => sum + (part.startsWith("key.") ? bytes : 0),
      0,
    );
    expect(Object.values(block).reduce((sum, part) => sum + part.byteLength, 0)).toBe(
      encodedBytes(tokens, headSize, tensor),
    );
    expect(encodedBytes(tokens, headSize, tensor)).toBe(keyBytes);
  },
);

describe("encodeBlock rejects", () => {
  const withNumber = (value: number, length = 64): Float32Array =>
    Float32Array.from({ length }).fill(0).fill(value, 7, 8);

  it.each([
    ["NaN", NaN, "QUANTIZER_NAN"],
    ["infinity", Infinity, "QUANTIZER_INFINITE"],
    ["minus infinity", -Infinity, "QUANTIZER_INFINITE"],
    ["what float16 cannot hold", -65536, "QUANTIZER_OVERFLOW"],
  ])("%s by name", (_, value, code) => {
    for (const scheme of [affineHead, FLOAT16])
      expect(() => encodeBlock(withNumber(value), 1, 64, scheme)).toThrow(
        expect.objectContaining({ code, index: 7, value }),
      );
  });

  it("numbers that the transform moves beyond float16", () => {
    const block = new Float32Array(64).fill(MAX_FLOAT16);
    expect(() => encodeBlock(block, 1, 64, { ...affineHead, transform: "hadamard" })).toThrow(
      expect.objectContaining({ code: "QUANTIZER_OVERFLOW", index: 0 }),
    );
    expect(decodeBlock(encodeBlock(block, 1, 64, affineHead), 1, 64, affineHead)).toEqual(block);
  });

  it("other shapes and impossible groups", () => {
    expect(() => encodeBlock(new Float32Array(63), 1, 64, affineHead)).toThrow(
      expect.objectContaining({ code: "QUANTIZER_SHAPE" }),
    );
    expect(() => encodeBlock(new Float32Array(64), 1, 64, { ...affineHead, axis: "channel" })).toThrow(
      expect.objectContaining({ code: "QUANTIZER_SCHEME" }),
    );
    const encoded = encodeBlock(new Float32Array(64), 1, 64, affineHead);
    expect(() => decodeBlock(encoded, 1, 64, { ...affineHead, bits: 3 })).toThrow(
      expect.objectContaining({ code: "QUANTIZER_SHAPE" }),
    );
  });
});
