import { fc, test } from "@fast-check/vitest";
import type { AffineScheme, Asset } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import { blockErrorBounds } from "./block-error-bounds.ts";
import { decodeBlock, encodeBlock } from "./block.ts";
import { fakeQuantize } from "./fake-quantize.ts";
import { seededSigns } from "./rotation.ts";
import { anyHostility, hostileNumbers, mulberry32 } from "./test-support/hostile-numbers.ts";

const HEADS = 2;
const HEAD_SIZE = 24;

const scheme: AffineScheme = {
  kind: "affine",
  bits: 4,
  format: "affine",
  axis: "token",
  groupSize: 8,
  blockSize: 1,
  transform: "table",
};

/** Orthogonal by Gram and Schmidt, `[HEADS, HEAD_SIZE, HEAD_SIZE]`. */
const table: Asset = (() => {
  const random = mulberry32(3);
  const rows = Array.from({ length: HEADS }, () => {
    const basis: number[][] = [];
    while (basis.length < HEAD_SIZE) {
      let row = Array.from({ length: HEAD_SIZE }, () => random() - 0.5);
      for (const other of basis) {
        const along = dot(row, other);
        row = row.map((number, index) => number - along * other[index]!);
      }
      const length = Math.sqrt(dot(row, row));
      basis.push(row.map((number) => number / length));
    }
    return basis.flat();
  });
  return {
    name: "table",
    dtype: "float32",
    shape: [HEADS, HEAD_SIZE, HEAD_SIZE],
    data: Float32Array.from(rows.flat()),
  };
})();

const signs: Asset = {
  name: "signs",
  dtype: "float32",
  shape: [HEADS, HEAD_SIZE],
  data: Float32Array.from({ length: HEADS * HEAD_SIZE }, (_, index) => (index % 3 === 0 ? -1 : 1)),
};

const assets = [table, signs];

function dot(x: readonly number[], y: readonly number[]): number {
  return x.reduce((sum, number, index) => sum + number * y[index]!, 0);
}

const ofHead = (rows: Float32Array, head: number): Float32Array =>
  rows.filter((_, index) => Math.floor(index / HEAD_SIZE) % HEADS === head);

const anyRotated: fc.Arbitrary<AffineScheme> = fc.constantFrom(
  scheme,
  { ...scheme, parameters: "two-level", blockSize: 4 },
  { ...scheme, axis: "channel", groupSize: 4, blockSize: 4 },
  { ...scheme, transform: "hadamard", signs: "signs" },
  { ...scheme, transform: "hadamard", signs: 11 },
);

test.prop([anyRotated, fc.integer({ min: 1, max: 3 }), anyHostility])(
  "each head is rotated by its own table; blocks equal rows, within their bounds",
  (own, blocks, hostility) => {
    const tokens = 4 * blocks;
    const source = hostileNumbers(hostility, tokens * HEADS * HEAD_SIZE, 5000);
    const target = new Float32Array(source.length);
    fakeQuantize(source, target, { tokens, heads: HEADS, headSize: HEAD_SIZE }, own, { assets });
    for (let head = 0; head < HEADS; head++) {
      const [x, expected] = [ofHead(source, head), ofHead(target, head)];
      const context = { assets, head };
      const decoded = decodeBlock(encodeBlock(x, tokens, HEAD_SIZE, own, context), tokens, HEAD_SIZE, own, context);
      expect(new Uint32Array(decoded.buffer)).toEqual(new Uint32Array(expected.buffer));
      const { numbers, vectors } = blockErrorBounds(x, tokens, HEAD_SIZE, own, context);
      const errors = x.map((number, index) => Math.abs(number - decoded[index]!));
      for (const [index, error] of errors.entries()) expect(error).toBeLessThanOrEqual(numbers[index]!);
      for (const [token, bound] of vectors.entries())
        expect(Math.hypot(...errors.subarray(token * HEAD_SIZE, (token + 1) * HEAD_SIZE))).toBeLessThanOrEqual(bound);
    }
  },
);

it("columns of the table are the new axes: a number along one is all that its code holds", () => {
  const column = Float32Array.from({ length: HEAD_SIZE }, (_, row) => 100 * table.data[row * HEAD_SIZE + 9]!);
  const { scales } = encodeBlock(column, 1, HEAD_SIZE, scheme, { assets });
  expect([...scales!].map((bits) => bits > 0x2000)).toEqual([false, true, false]);
});

it("signs from a seed are of both kinds, and other seeds give others", () => {
  expect(new Set(seededSigns(1, 64))).toEqual(new Set([1, -1]));
  expect(seededSigns(1, 64)).not.toEqual(seededSigns(2, 64));
  expect(seededSigns(1, 16)).toEqual(seededSigns(1, 64).subarray(0, 16));
});

describe("tables that do not fit are refused", () => {
  it.each<[string, Asset, number]>([
    ["another head size", { name: "table", dtype: "float32", shape: [HEADS, 5, 5], data: new Float32Array(50) }, 0],
    ["too few heads", table, 2],
    ["another type", { name: "table", dtype: "uint8", shape: [1], data: new Uint8Array(1) }, 0],
  ])("%s", (_, asset, head) => {
    expect(() => encodeBlock(new Float32Array(HEAD_SIZE), 1, HEAD_SIZE, scheme, { assets: [asset], head })).toThrow(
      expect.objectContaining({ code: "QUANTIZER_ASSET" }),
    );
  });

  it("none at all", () => {
    expect(() => encodeBlock(new Float32Array(HEAD_SIZE), 1, HEAD_SIZE, scheme)).toThrow(
      expect.objectContaining({ code: "PLAN_ASSET_UNKNOWN" }),
    );
  });
});
