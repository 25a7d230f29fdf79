import { fc, test } from "@fast-check/vitest";
import { type Asset, assertAssetsFit, layoutOf, partBytes, schemeFault, type SchemeOf } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import { blockErrorBounds } from "../block-error-bounds.ts";
import { decodeBlock, encodeBlock, encodedBytes } from "../block.ts";
import { fakeQuantize } from "../fake-quantize.ts";
import { rotate, unrotate } from "../rope.ts";
import { anyHostility, hostileNumbers, mulberry32 } from "../test-support/hostile-numbers.ts";

type CodebookScheme = SchemeOf<"codebook">;

const float32 = (name: string, shape: readonly number[], data: ArrayLike<number>): Asset => ({
  name,
  dtype: "float32",
  shape,
  data: Float32Array.from(data),
});

/** Levels crowded around 0, as those of k-means are. */
const levelsOf = (bits: number): Asset => {
  const level = (index: number): number => (2 * index) / (2 ** bits - 1) - 1;
  const data = Array.from({ length: 2 ** bits }, (_, index) => 0.97 * Math.sign(level(index)) * level(index) ** 2);
  return float32("levels", [2 ** bits], data);
};

const FREQUENCIES = float32(
  "frequencies",
  [8],
  Array.from({ length: 8 }, (_, pair) => 10_000 ** (-pair / 8)),
);

const HEADS = 2;

/** A scale and an offset of each channel and head. */
const scalesOf = (headSize: number): Asset =>
  float32(
    "scales",
    [HEADS, 2, headSize],
    Array.from({ length: HEADS * 2 * headSize }, (_, index) =>
      Math.floor(index / headSize) % 2 === 0 ? 0.5 + (index % 11) : (index % 13) - 6,
    ),
  );

const assetsOf = ({ bits }: CodebookScheme, headSize: number): Asset[] => [
  levelsOf(bits),
  scalesOf(headSize),
  FREQUENCIES,
];

const PLAIN: CodebookScheme = {
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

const BEFORE_ROPE = { stage: "before-rope", frequencies: "frequencies", pairing: "halves" } as const;

const anyCodebook: fc.Arbitrary<CodebookScheme> = fc
  .record({
    bits: fc.constantFrom(1, 2, 3, 4, 8),
    scales: fc.constantFrom("dynamic", "scales"),
    outliers: fc.constantFrom(0, 0.001, 0.01),
    isBeforeRope: fc.boolean(),
    pairing: fc.constantFrom("halves", "neighbours"),
    blockSize: fc.constantFrom(1, 7, 32),
  })
  .map(({ isBeforeRope, pairing, ...fields }) => ({
    ...PLAIN,
    ...fields,
    ...(isBeforeRope && { ...BEFORE_ROPE, pairing }),
  }));

const headOf = (rows: Float32Array, head: number, headSize: number): Float32Array =>
  rows.filter((_, index) => Math.floor(index / headSize) % HEADS === head);

test.prop(
  [anyCodebook, fc.constantFrom(16, 80), fc.integer({ min: 1, max: 3 }), fc.constantFrom(0, 1, 4097), anyHostility],
  { numRuns: 100 },
)("whole blocks equal decoded packed blocks, within their bounds", (scheme, headSize, blocks, position, hostility) => {
  const tokens = blocks * scheme.blockSize;
  const assets = assetsOf(scheme, headSize);
  const source = hostileNumbers(hostility, tokens * HEADS * headSize, 40_000);
  const target = new Float32Array(source.length);
  fakeQuantize(source, target, { tokens, heads: HEADS, headSize }, scheme, { assets, position });
  for (let head = 0; head < HEADS; head++) {
    const context = { assets, position, head };
    const [x, expected] = [headOf(source, head, headSize), headOf(target, head, headSize)];
    const encoded = encodeBlock(x, tokens, headSize, scheme, context);
    for (const { name, elements } of layoutOf(scheme, { tokens, headSize }))
      expect([name, encoded[name]!.length]).toEqual([name, elements]);
    const decoded = decodeBlock(encoded, tokens, headSize, scheme, context);
    expect(new Uint32Array(decoded.buffer)).toEqual(new Uint32Array(expected.buffer));
    const { numbers } = blockErrorBounds(x, tokens, headSize, scheme, context);
    const beyond = x.findIndex((number, index) => !(Math.abs(number - decoded[index]!) <= numbers[index]!));
    expect(beyond).toBe(-1);
  }
});

/** KVQuant's formulas in double precision: one block of one KV head, `[tokens][headSize]`, decoded. */
const reference = (
  rows: number[][],
  { scales, outliers }: CodebookScheme,
  head: number,
  assets: Asset[],
): number[][] => {
  const headSize = rows[0]!.length;
  const count = Math.ceil(outliers * rows.length * headSize - 1e-9);
  const isOut = rows.map((row) => row.map(() => false));
  const table = (row: number, channel: number): number => assets[1]!.data[(2 * head + row) * headSize + channel]!;
  const rest = (token: number): number[] => rows[token]!.filter((_, channel) => !isOut[token]![channel]);
  const range = (numbers: number[]): number => Math.max(...numbers) - Math.min(...numbers);
  const parameters = (token: number, channel: number): [number, number] =>
    scales !== "dynamic"
      ? [table(0, channel), table(1, channel)]
      : [range(rest(token)) / 2, (Math.max(...rest(token)) + Math.min(...rest(token))) / 2];
  const median = (token: number): number => rows[token]!.toSorted((one, other) => one - other)[(headSize - 1) >> 1]!;
  const distance = (token: number, channel: number): number => {
    const [scale, offset] = scales === "dynamic" ? [1, median(token)] : parameters(token, channel);
    return Math.abs((rows[token]![channel]! - offset) / scale);
  };
  const farthest = rows
    .flatMap((row, token) => row.map((_, channel) => ({ token, channel, size: distance(token, channel) })))
    .toSorted((one, other) => other.size - one.size);
  for (const { token, channel } of farthest.slice(0, count)) isOut[token]![channel] = true;
  const levels = [...assets[0]!.data];
  return rows.map((row, token) =>
    row.map((x, channel) => {
      if (isOut[token]![channel]) return x;
      const [scale, offset] = parameters(token, channel);
      const miss = (level: number): number => Math.abs((x - offset) / scale - level);
      return levels.toSorted((one, other) => miss(one) - miss(other))[0]! * scale + offset;
    }),
  );
};

/** Complex multiplication by `exp(i * angle)`. */
const turned = (row: number[], position: number, pairing: CodebookScheme["pairing"]): number[] => {
  const result = [...row];
  for (const [pair, frequency] of FREQUENCIES.data.entries()) {
    const [one, other] = pairing === "halves" ? [pair, pair + 8] : [2 * pair, 2 * pair + 1];
    const [size, angle] = [Math.hypot(row[one]!, row[other]!), Math.atan2(row[other]!, row[one]!)];
    result[one] = size * Math.cos(angle + position * frequency);
    result[other] = size * Math.sin(angle + position * frequency);
  }
  return result;
};

const gaussian = (seed: number): (() => number) => {
  const random = mulberry32(seed);
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
};

const meanSquare = (errors: number[]): number => errors.reduce((sum, error) => sum + error ** 2, 0) / errors.length;

describe("compared with the paper's formulas in double precision", () => {
  const [tokens, headSize, position, head] = [32, 20, 777, 1];
  const schemes = (["dynamic", "scales"] as const).flatMap((scales) =>
    ([0, 0.001, 0.01] as const).flatMap((outliers): CodebookScheme[] => [
      { ...PLAIN, scales, outliers },
      { ...PLAIN, bits: 2, scales, outliers, ...BEFORE_ROPE },
      { ...PLAIN, bits: 4, scales, outliers, ...BEFORE_ROPE, pairing: "neighbours" },
    ]),
  );
  it.each(schemes)("$bits bits, scales $scales, outliers $outliers, $stage, $pairing", (scheme) => {
    const assets = assetsOf(scheme, headSize);
    const normal = gaussian(scheme.bits);
    const rows = Array.from({ length: tokens }, () =>
      Array.from({ length: headSize }, (_, channel) => normal() * (1 + (channel % 4)) * (normal() > 2 ? 5 : 1)),
    );
    const turn = (row: number[], token: number): number[] =>
      scheme.stage === "as-given" ? row : turned(row, position + token, scheme.pairing);
    const x = Float32Array.from(rows.flatMap(turn));
    const context = { assets, position, head };
    const decoded = decodeBlock(encodeBlock(x, tokens, headSize, scheme, context), tokens, headSize, scheme, context);
    const expected = reference(rows, scheme, head, assets);
    const ours = meanSquare([...decoded].map((number, index) => number - x[index]!));
    const theirs = meanSquare(expected.flatMap(turn).map((number, index) => number - x[index]!));
    expect(theirs).toBeGreaterThan(1e-4);
    expect(Math.abs(ours / theirs - 1)).toBeLessThan(0.05);
  });
});

it("keys turned by their positions get the codes that they have before RoPE, but for rounding", () => {
  const [tokens, headSize] = [32, 16];
  const assets = assetsOf({ ...PLAIN, bits: 8 }, headSize);
  const normal = gaussian(5);
  const plain = Float32Array.from({ length: tokens * headSize }, normal);
  const given = plain.slice();
  rotate(given, headSize, 1000, { frequencies: FREQUENCIES.data, pairing: "halves" });
  const scheme = { ...PLAIN, bits: 8, outliers: 0 } as const;
  const { codes } = encodeBlock(plain, tokens, headSize, scheme, { assets });
  const differentAt = (position: number): number =>
    encodeBlock(given, tokens, headSize, { ...scheme, ...BEFORE_ROPE }, { assets, position })["codes"]!.filter(
      (code, index) => code !== codes![index],
    ).length;
  expect(differentAt(1000)).toBeLessThan(10);
  expect(differentAt(1001)).toBeGreaterThan(200);
});

it("turning back undoes turning, and leaves channels after the pairs", () => {
  const normal = gaussian(9);
  const x = Float32Array.from({ length: 3 * 20 }, normal);
  for (const pairing of ["halves", "neighbours"] as const) {
    const rope = { frequencies: FREQUENCIES.data, pairing };
    const there = x.slice();
    rotate(there, 20, 4000, rope);
    const expected = [0, 1, 2].flatMap((token) =>
      turned([...x.subarray(20 * token, 20 * (token + 1))], 4000 + token, pairing),
    );
    for (const [index, number] of there.entries()) expect(Math.abs(number - expected[index]!)).toBeLessThan(1e-5);
    unrotate(there, 20, 4000, rope);
    for (const [index, number] of there.entries()) expect(Math.abs(number - x[index]!)).toBeLessThan(1e-6);
  }
});

describe("outliers", () => {
  it("take a fixed number of bytes in each block", () => {
    const bytes = (scheme: CodebookScheme, tokens: number): number => encodedBytes(tokens, 64, scheme);
    const codes = 32 * 24;
    expect(bytes({ ...PLAIN, outliers: 0 }, 32)).toBe(codes + 32 * 4);
    expect(bytes({ ...PLAIN, outliers: 0, scales: "scales" }, 32)).toBe(codes);
    expect(bytes({ ...PLAIN, scales: "scales" }, 64)).toBe(2 * (codes + 21 * 4)); // 1% of 2048 numbers
    expect(bytes({ ...PLAIN, scales: "scales", outliers: 0.001 }, 64)).toBe(2 * (codes + 3 * 4));
    expect(bytes({ ...PLAIN, scales: "scales", blockSize: 25, outliers: 0.01 }, 25)).toBe(25 * 24 + 16 * 4); // not 17
    const parts = layoutOf(PLAIN, { tokens: 64, headSize: 64 });
    expect(parts.reduce((sum, part) => sum + partBytes(part), 0)).toBe(bytes(PLAIN, 64));
  });

  it("are exact, and leave the others of their token as without them", () => {
    const assets = assetsOf(PLAIN, 64);
    const x = Float32Array.from({ length: 32 * 64 }, (_, index) => Math.fround(Math.sin(index)));
    const decoded = (numbers: Float32Array): Float32Array =>
      decodeBlock(encodeBlock(numbers, 32, 64, PLAIN, { assets }), 32, 64, PLAIN, { assets });
    const spiked = x.slice();
    const places = [64 * 3 + 5, 64 * 3 + 6, 64 * 31 + 63];
    for (const place of places) spiked[place] = 1000;
    const got = decoded(spiked);
    for (const place of places) expect(got[place]).toBe(1000);
    const largest = Math.max(...got.map((number, index) => Math.abs(number - spiked[index]!)));
    expect(largest).toBeLessThan(0.3);
  });
});

describe("edge values", () => {
  it("constants, zeros and the largest numbers are kept", () => {
    const context = { assets: assetsOf(PLAIN, 16) };
    for (const value of [0, 1.5, -65_504, 65_504]) {
      const x = new Float32Array(32 * 16).fill(value);
      expect(decodeBlock(encodeBlock(x, 32, 16, PLAIN, context), 32, 16, PLAIN, context)).toEqual(x);
    }
  });

  it("a block of fewer tokens than outliers is kept exact", () => {
    const scheme = { ...PLAIN, blockSize: 3000, outliers: 0.01 } as const;
    const x = Float32Array.from({ length: 16 }, (_, index) => 2 ** -index);
    const context = { assets: assetsOf(scheme, 16) };
    const decoded = decodeBlock(encodeBlock(x, 1, 16, scheme, context), 1, 16, scheme, context);
    expect(decoded).toEqual(x);
  });

  it("keys beyond float16 before RoPE are rejected", () => {
    const scheme = { ...PLAIN, ...BEFORE_ROPE, blockSize: 1 } as const;
    const x = new Float32Array(16).fill(65_504);
    expect(() => encodeBlock(x, 1, 16, scheme, { assets: assetsOf(scheme, 16), position: 1 })).toThrow(
      expect.objectContaining({ code: "QUANTIZER_OVERFLOW" }) as Error,
    );
  });
});

describe("faults", () => {
  const heads = { kvHeads: HEADS, headSize: 16 };
  it.each([
    [{ ...PLAIN, frequencies: "frequencies" }, /only then; got frequencies and none with as-given/],
    [{ ...PLAIN, stage: "before-rope", pairing: "halves" }, /only then; got none and halves with before-rope/],
    [{ ...PLAIN, blockSize: 4097 }, /at most 65536 numbers in a block, got 4097 tokens of 16/],
  ] satisfies [CodebookScheme, RegExp][])("%o", (scheme, fault) => {
    expect(schemeFault(scheme, heads)).toMatch(fault);
    expect(schemeFault({ ...PLAIN, blockSize: 4096 }, heads)).toBeUndefined();
  });

  const offline = { ...PLAIN, scales: "scales", ...BEFORE_ROPE } as const;
  const [levels, scales] = [levelsOf(3), scalesOf(16)];
  const changed = (asset: Asset, index: number, value: number): Asset =>
    float32(asset.name, asset.shape, [...asset.data].with(index, value));
  it.each([
    ["levels of another width", [levelsOf(4), scales, FREQUENCIES], /levels of float32 \[8\], got levels of .* \[16\]/],
    ["levels of NaN", [changed(levels, 4, NaN), scales, FREQUENCIES], /ascending order, got NaN at index 4 of levels/],
    [
      "levels out of order",
      [changed(levels, 4, -0.9), scales, FREQUENCIES],
      /ascending order, got -0[.]8.* at index 4/,
    ],
    ["levels beyond 1", [changed(levels, 7, 1.01), scales, FREQUENCIES], /from -1 to 1 .* got 1.0.* at index 7/],
    ["scales of another model", [levels, scalesOf(32), FREQUENCIES], /\[2, 2, 16\], got scales of .* \[2, 2, 32\]/],
    ["a negative scale", [levels, changed(scales, 33, -1), FREQUENCIES], /got -1 at index 33 of scales/],
    ["a scale of NaN", [levels, changed(scales, 0, NaN), FREQUENCIES], /got NaN at index 0 of scales/],
    [
      "too many pairs",
      [levels, scales, float32("frequencies", [9], new Float32Array(9))],
      /at most 8 pairs, got frequencies of float32 \[9\]/,
    ],
    ["an endless frequency", [levels, scales, changed(FREQUENCIES, 2, Infinity)], /got Infinity at index 2/],
  ] satisfies [string, Asset[], RegExp][])("%s are rejected", (_, assets, message) => {
    expect(() => assertAssetsFit(offline, heads, assets)).toThrow(
      expect.objectContaining({ code: "PLAN_ASSET_UNFIT", message: expect.stringMatching(message) as string }) as Error,
    );
  });

  it("good assets are not", () => {
    expect(() => assertAssetsFit(offline, heads, [levels, scales, FREQUENCIES])).not.toThrow();
  });
});
