import { fc, test } from "@fast-check/vitest";
import { assertAssetsFit, type Asset, schemeFault, type SchemeOf } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import { packTernary, unpackTernary } from "../bit-packing.ts";
import { blockErrorBounds } from "../block-error-bounds.ts";
import { decodeBlock, encodeBlock, encodedBytes } from "../block.ts";
import { fakeQuantize } from "../fake-quantize.ts";
import { anyHostility, hostileNumbers, mulberry32 } from "../test-support/hostile-numbers.ts";
import { roundToFloat8 } from "./float8.ts";

type BalancedScheme = SchemeOf<"balanced">;
type Matrix = number[][];

const TOKENS = 128;
const HEAD_SIZE = 64;

const KVARN_KEYS: BalancedScheme = {
  kind: "balanced",
  bits: 4,
  axis: "channel",
  groupSize: "row",
  blockSize: TOKENS,
  transform: "hadamard",
  balance: "variance",
  order: "none",
  clip: 1,
  parameters: "float16",
};
const KVARN_VALUES: BalancedScheme = { ...KVARN_KEYS, axis: "token", bits: 2 };
const ZIPCACHE: BalancedScheme = { ...KVARN_VALUES, transform: "none", balance: "largest", bits: 4 };
const SKVQ: BalancedScheme = {
  ...ZIPCACHE,
  balance: "none",
  bits: 2,
  groupSize: 32,
  blockSize: 1,
  order: "order",
  clip: 0.92,
  parameters: "float8",
};

const order = (heads: number): Asset => ({
  name: "order",
  dtype: "float32",
  shape: [heads, HEAD_SIZE],
  data: Float32Array.from(
    { length: heads * HEAD_SIZE },
    (_, index) => (29 * (index % HEAD_SIZE) + 7 * Math.floor(index / HEAD_SIZE)) % HEAD_SIZE,
  ),
});

/** Keys and values with channels of very different spread, an outlier channel, and tokens that stick out. */
const cacheLike = (tokens: number, headSize: number): Matrix => {
  const random = mulberry32(5);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const spreads = Array.from({ length: headSize }, (_, channel) => (channel === 3 ? 12 : 2 ** normal()));
  return Array.from({ length: tokens }, (_, token) =>
    spreads.map((spread) => Math.fround(normal() * spread * (token % 17 === 0 ? 4 : 1))),
  );
};

const flat = (matrix: Matrix): Float32Array => Float32Array.from(matrix.flat());
const transposed = (matrix: Matrix): Matrix => matrix[0]!.map((_, column) => matrix.map((row) => row[column]!));

const decoded = (x: Float32Array, tokens: number, headSize: number, scheme: BalancedScheme): Float32Array => {
  const context = { assets: [order(1)] };
  return decodeBlock(encodeBlock(x, tokens, headSize, scheme, context), tokens, headSize, scheme, context);
};

const meanSquare = (x: ArrayLike<number>, y: ArrayLike<number>): number =>
  Array.from(x).reduce((sum, number, index) => sum + (number - y[index]!) ** 2, 0) / x.length;

/** Rounds a row to `steps` steps between its ends times `clip`; parameters pass `store`. */
const rounded = (row: readonly number[], steps: number, clip = 1, store = (x: number): number => x): number[] => {
  const [least, most] = [clip * Math.min(...row), clip * Math.max(...row)];
  const step = (most - least) / steps;
  return row.map((x) => Math.round(Math.min(steps, Math.max(0, (x - least) / step))) * store(step) + store(least));
};

describe("KVarN, in double precision from the paper's formula", () => {
  const deviation = (row: readonly number[]): number => {
    const mean = row.reduce((sum, x) => sum + x, 0) / row.length;
    return Math.sqrt(row.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (row.length - 1));
  };
  const spread = (rows: Matrix): number => {
    const all = rows.map(deviation);
    return Math.max(...all) / Math.max(1e-8, Math.min(...all));
  };
  const clamp = (x: number, least: number, most: number): number => Math.min(most, Math.max(least, x));

  /** Sylvester's matrix over the root of the head size. */
  const hadamard = (row: readonly number[]): number[] =>
    row.map((_, i) =>
      row.reduce((sum, x, j) => {
        let ones = 0;
        for (let common = i & j; common > 0; common >>= 1) ones += common & 1;
        return sum + (ones % 2 === 0 ? x : -x) / Math.sqrt(row.length);
      }, 0),
    );

  /** Rows have the parameters; logarithms of the scales grow by those of the deviations, columns first. */
  const variance = (tile: Matrix, bits: number): Matrix => {
    const logRows = tile.map(() => 0);
    const logColumns = tile[0]!.map(() => 0);
    const divided = (rows = logRows, columns = logColumns): Matrix =>
      tile.map((row, i) => row.map((x, j) => x / Math.exp(rows[i]!) / Math.exp(columns[j]!)));
    let best = { rows: [...logRows], columns: [...logColumns], imbalance: spread(tile) + spread(transposed(tile)) };
    for (let iteration = 0; iteration < 16; iteration++) {
      for (const [j, column] of transposed(divided()).entries())
        logColumns[j] = clamp(logColumns[j]! + Math.log(clamp(deviation(column), 1e-3, 1e3)), -0.3, 10);
      for (const [i, row] of divided().entries())
        logRows[i] = clamp(logRows[i]! + Math.log(clamp(deviation(row), 1e-3, 1e3)), -0.3, 10);
      const imbalance = spread(divided()) + spread(transposed(divided()));
      if (imbalance <= best.imbalance) best = { rows: [...logRows], columns: [...logColumns], imbalance };
    }
    return divided(best.rows, best.columns).map((row, i) =>
      rounded(row, 2 ** bits - 1).map((x, j) => x * Math.exp(best.rows[i]!) * Math.exp(best.columns[j]!)),
    );
  };

  const x = cacheLike(TOKENS, HEAD_SIZE);

  it.each([2, 4] as const)("keys of %d bits", (bits) => {
    const expected = transposed(variance(transposed(x.map(hadamard)), bits)).map(hadamard);
    const own = decoded(flat(x), TOKENS, HEAD_SIZE, { ...KVARN_KEYS, bits });
    expect(meanSquare(flat(x), own) / meanSquare(flat(x), expected.flat())).toBeCloseTo(1, 1.5);
  });

  it("values of 2 bits, which balancing makes better", () => {
    const expected = variance(x.map(hadamard), 2).map(hadamard);
    const own = meanSquare(flat(x), decoded(flat(x), TOKENS, HEAD_SIZE, KVARN_VALUES));
    expect(own / meanSquare(flat(x), expected.flat())).toBeCloseTo(1, 1.5);
    const plain = x
      .map(hadamard)
      .map((row) => rounded(row, 3))
      .map(hadamard);
    expect(own).toBeLessThan(meanSquare(flat(x), plain.flat()));
  });

  it("takes 4096 bytes of codes and 768 of parameters for 128 tokens of 128 channels in 2 bits, as published", () => {
    for (const scheme of [{ ...KVARN_KEYS, bits: 2 as const }, KVARN_VALUES])
      expect(encodedBytes(128, 128, scheme)).toBe(4096 + 768);
  });
});

it("ZipCache's quantizer divides channels by the root of their largest magnitude, in double precision", () => {
  const x = cacheLike(TOKENS, HEAD_SIZE);
  const scales = transposed(x).map((channel) => Math.sqrt(Math.max(...channel.map(Math.abs))));
  const expected = x.map((row) =>
    rounded(
      row.map((number, channel) => number / scales[channel]!),
      15,
    ).map((number, channel) => number * scales[channel]!),
  );
  const own = decoded(flat(x), TOKENS, HEAD_SIZE, ZIPCACHE);
  expect(meanSquare(flat(x), own) / meanSquare(flat(x), expected.flat())).toBeCloseTo(1, 1.5);
  expect(encodedBytes(TOKENS, HEAD_SIZE, ZIPCACHE)).toBe(TOKENS * (HEAD_SIZE / 2 + 4) + 2 * HEAD_SIZE);
});

it.each([
  ["float8", 2],
  ["float16", 1.5],
] as const)(
  "SKVQ reorders and clips groups with parameters in %s and %f bits, in double precision",
  (parameters, bits) => {
    const x = cacheLike(TOKENS, HEAD_SIZE);
    const places = [...order(1).data];
    const store = (number: number): number => (parameters === "float8" ? roundToFloat8(number, "e4m3") : number);
    const expected = x.map((row) => {
      const inOrder = places.map((channel) => row[channel]!);
      const groups = [inOrder.slice(0, 32), inOrder.slice(32)].flatMap((group) =>
        rounded(group, bits === 2 ? 3 : 2, 0.92, store),
      );
      return row.map((_, channel) => groups[places.indexOf(channel)]!);
    });
    const own = decoded(flat(x), TOKENS, HEAD_SIZE, { ...SKVQ, parameters, bits });
    expect(meanSquare(flat(x), own) / meanSquare(flat(x), expected.flat())).toBeCloseTo(1, 1.5);
    expect(encodedBytes(1, HEAD_SIZE, SKVQ)).toBe(16 + 2 * 2);
    expect(encodedBytes(1, HEAD_SIZE, { ...SKVQ, bits: 1.5 })).toBe(13 + 2 * 2);
  },
);

const HEADS = 2;

const anyScheme: fc.Arbitrary<BalancedScheme> = fc
  .record({
    of: fc.constantFrom(KVARN_KEYS, KVARN_VALUES, ZIPCACHE, SKVQ, { ...SKVQ, groupSize: 5, order: "none" }),
    bits: fc.constantFrom(1, 1.5, 3, 8),
    blockSize: fc.constantFrom(1, 3, 16),
  })
  .map(({ of, ...fields }) => ({ ...of, ...fields }));

test.prop([anyScheme, fc.integer({ min: 0, max: 3 }), anyHostility], { numRuns: 60 })(
  "whole blocks equal decoded packed blocks and are finite; the bound is the error",
  (scheme, blocks, hostility) => {
    const assets = [order(HEADS)];
    const tokens = blocks * scheme.blockSize;
    const source = hostileNumbers(hostility, tokens * HEADS * HEAD_SIZE, 5000);
    const target = new Float32Array(source.length);
    fakeQuantize(source, target, { tokens, heads: HEADS, headSize: HEAD_SIZE }, scheme, { assets });
    expect(target.every(Number.isFinite)).toBe(true);
    for (let head = 0; head < HEADS; head++) {
      const [x, expected] = [source, target].map((rows) =>
        rows.filter((_, index) => Math.floor(index / HEAD_SIZE) % HEADS === head),
      );
      const context = { assets, head };
      const again = decodeBlock(
        encodeBlock(x!, tokens, HEAD_SIZE, scheme, context),
        tokens,
        HEAD_SIZE,
        scheme,
        context,
      );
      expect(new Uint32Array(again.buffer)).toEqual(new Uint32Array(expected!.buffer));
      const { numbers } = blockErrorBounds(x!, tokens, HEAD_SIZE, scheme, context);
      for (const [index, number] of x!.entries()) expect(numbers[index]).toBe(Math.abs(number - again[index]!));
    }
  },
);

it.each([KVARN_KEYS, KVARN_VALUES, ZIPCACHE])("constant and zero tiles come back ($balance, $axis)", (scheme) => {
  const zeros = decoded(new Float32Array(TOKENS * HEAD_SIZE), TOKENS, HEAD_SIZE, scheme);
  expect(zeros.every((number) => number === 0)).toBe(true);
  for (const number of decoded(new Float32Array(TOKENS * HEAD_SIZE).fill(3), TOKENS, HEAD_SIZE, scheme))
    expect(Math.abs(number - 3)).toBeLessThan(0.01);
});

test.prop([fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 23 })])(
  "ternary codes are packed and unpacked",
  (codes) => {
    const packed = packTernary(Uint8Array.from(codes));
    expect(packed).toHaveLength(Math.ceil(codes.length / 5));
    expect([...unpackTernary(packed, codes.length)]).toEqual(codes);
  },
);

describe("what no paper combines is rejected", () => {
  const heads = { kvHeads: 1, headSize: HEAD_SIZE };

  it.each<[Partial<BalancedScheme>, RegExp]>([
    [{ ...KVARN_KEYS, groupSize: 32 }, /groups of a row, got 32/],
    [{ ...KVARN_KEYS, clip: 0.9 }, /clip 1/],
    [{ ...ZIPCACHE, axis: "channel" }, /axis token/],
    [{ ...SKVQ, transform: "hadamard" }, /transform none/],
    [{ ...SKVQ, groupSize: 65 }, /at most the row's 64 numbers, got 65/],
  ])("%o", (scheme, message) => {
    expect(schemeFault(scheme as BalancedScheme, heads)).toMatch(message);
  });

  it.each<[string, Asset, RegExp]>([
    ["of another size", { ...order(1), shape: [HEAD_SIZE] }, /float32 \[1, 64\], got order of float32 \[64\]/],
    [
      "with a channel twice",
      { ...order(1), data: new Float32Array(HEAD_SIZE) } as Asset,
      /without channel 1 of head 0/,
    ],
  ])("an order %s", (_, asset, message) => {
    expect(() => assertAssetsFit(SKVQ, heads, [asset])).toThrow(message);
  });
});
