import { fc, test } from "@fast-check/vitest";
import { assertAssetsFit, type Asset, blockTokens, schemeFault, schemeOfHead, type SchemeOf } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import { blockErrorBounds } from "../block-error-bounds.ts";
import { decodeBlock, encodeBlock } from "../block.ts";
import { fakeQuantize } from "../fake-quantize.ts";
import { roundToFloat16 } from "../float16.ts";
import { gaussianLevels } from "../gaussian-levels.ts";
import {
  anyTransform,
  asset,
  normalNumbers,
  orthogonalRows,
  PLAIN,
  type TransformCase,
  matricesOf,
} from "../test-support/any-transform.ts";
import { anyHostility, hostileNumbers, mulberry32 } from "../test-support/hostile-numbers.ts";

type TransformScheme = SchemeOf<"transform">;

const headOf = (rows: Float32Array, head: number, { heads, headSize }: TransformCase): Float32Array =>
  rows.filter((_, index) => Math.floor(index / headSize) % heads === head);

test.prop([anyTransform, fc.integer({ min: 1, max: 3 }), fc.nat(5000), anyHostility], { numRuns: 150 })(
  "whole blocks equal decoded packed blocks, within their bounds, and finite",
  (one, blocks, position, hostility) => {
    const { scheme, assets, heads, headSize } = one;
    assertAssetsFit(scheme, { kvHeads: heads, headSize }, assets);
    const tokens = blocks * blockTokens(scheme);
    const source = hostileNumbers(hostility, tokens * heads * headSize, 65_504);
    const target = new Float32Array(source.length);
    fakeQuantize(source, target, { tokens, heads, headSize }, scheme, { assets, position });
    for (let head = 0; head < heads; head++) {
      const own = schemeOfHead(scheme, head);
      const [x, expected] = [headOf(source, head, one), headOf(target, head, one)];
      const context = { assets, head, position };
      const decoded = decodeBlock(encodeBlock(x, tokens, headSize, own, context), tokens, headSize, own, context);
      expect(new Uint32Array(decoded.buffer)).toEqual(new Uint32Array(expected.buffer));
      const { numbers, vectors } = blockErrorBounds(x, tokens, headSize, own, context);
      for (const [index, number] of x.entries())
        expect(Math.abs(number - decoded[index]!)).toBeLessThanOrEqual(numbers[index]!);
      expect(vectors.every(Number.isFinite)).toBe(true);
    }
  },
);

/** The formulas of the scheme's documentation in double precision, one number after the other. */
const reference = (x: Float64Array, position: number, head: number, { scheme, assets, headSize }: TransformCase) => {
  const table = (field: keyof TransformScheme) => assets.find(({ name }) => name === scheme[field]);
  const frequencies = [...(table("frequencies")?.data ?? [])];
  const pair = (index: number): [number, number] =>
    scheme.pairing === "halves" ? [index, index + frequencies.length] : [2 * index, 2 * index + 1];
  const turned = (vector: Float64Array, angleOf: (frequency: number) => number): Float64Array => {
    const result = vector.slice();
    for (const [index, frequency] of frequencies.entries()) {
      const [low, high] = pair(index);
      const [cosine, sine] = [Math.cos(angleOf(frequency)), Math.sin(angleOf(frequency))];
      result[low] = vector[low]! * cosine - vector[high]! * sine;
      result[high] = vector[low]! * sine + vector[high]! * cosine;
    }
    return result;
  };
  const signs = signsOf(scheme.signs, headSize);
  const meanTable = table("mean");
  const mean = (index: number): number => meanTable?.data[head * headSize + index] ?? 0;
  const widthTable = table("widths");
  const channels = widthTable?.shape[1] ?? headSize;
  const widths = Array.from({ length: channels }, (_, channel) =>
    widthTable ? widthTable.data[head * channels + channel]! : (scheme.bits as number),
  );
  const matrix = (way: 0 | 1, row: number, channel: number): number => {
    const rotation = table("rotation");
    if (rotation?.shape.length === 4) return rotation.data[((2 * head + way) * headSize + row) * channels + channel]!;
    if (rotation) return row === channel ? rotation.data[(2 * head + way) * headSize + row]! : 0;
    if (scheme.rotation !== "hadamard") return row === channel ? 1 : 0;
    const size = headSize & -headSize;
    if (Math.floor(row / size) !== Math.floor(channel / size)) return 0;
    const bits = ((row % size) & (channel % size)).toString(2).replaceAll("0", "").length;
    return ((bits % 2 === 0 ? 1 : -1) * signs[row]!) / Math.sqrt(size);
  };
  const scaleTable = table("scales");
  const scale = (part: 0 | 1, channel: number): number =>
    scaleTable?.data[(2 * head + part) * channels + channel] ?? part;
  const count = (width: number): number => (width === 0 || width === 16 ? 0 : 2 ** width);
  const levelTable = table("levels");
  const before = widthTable
    ? Array.from(widthTable.data.subarray(0, head * channels))
    : widths.flatMap((width) => Array.from({ length: head }, () => width));
  let start = before.reduce((sum, width) => sum + count(width), 0);
  const levels = widths.map((width, channel) => {
    const own = levelTable
      ? levelTable.data.slice(start, (start += count(width)))
      : count(width) > 0
        ? gaussianLevels(width)
        : [];
    return [...own].map((level) => scale(0, channel) + scale(1, channel) * level);
  });
  const vector = turned(x, (frequency) => -position * frequency).map((number, index) => number - mean(index));
  const z = widths.map((_, channel) => vector.reduce((sum, number, row) => sum + number * matrix(0, row, channel), 0));
  const coded = [...widths.keys()].filter((channel) => widths[channel]! > 0);
  const meanSquare = (numbers: readonly number[]): number =>
    coded.reduce((sum, channel) => sum + numbers[channel]! ** 2, 0) / coded.length;
  const nearest = (channel: number, target: number): number => {
    if (widths[channel] === 0) return 0;
    if (widths[channel] === 16) return roundToFloat16(target);
    return levels[channel]!.reduce((best, level) =>
      Math.abs(level - target) < Math.abs(best - target) ? level : best,
    );
  };
  const metricTable = table("metric");
  const cost = (row: number, column: number): number =>
    metricTable?.data[(head * channels + row) * channels + column] ?? Number(row === column);
  /** By definition: the channel's own error that costs least, if the channels after it could take any value. */
  const order = [...widths.keys()].toSorted((one, other) => widths[one]! - widths[other]! || one - other);
  const solved = metricTable ? order.map((_, place) => carryWeights(order, place, cost)) : [];
  const at = (gain: number): number[] => {
    const y = z.map((number, channel) => gain * nearest(channel, gain > 0 ? number / gain : 0));
    if (!metricTable) return y;
    for (const [place, channel] of order.entries()) {
      const carried = solved[place]!.reduce((sum, weight, k) => sum + weight * (z[order[k]!]! - y[order[k]!]!), 0);
      y[channel] = gain * nearest(channel, gain > 0 ? (z[channel]! + carried) / gain : 0);
    }
    return y;
  };
  const errorOf = (y: readonly number[]): number => {
    const e = z.map((number, channel) => number - y[channel]!);
    return e.reduce(
      (sum, one, row) => sum + one * e.reduce((own, other, column) => own + cost(row, column) * other, 0),
      0,
    );
  };
  const root = Math.sqrt(meanSquare(z));
  const quantized = (): number[] => {
    if (scheme.gain === "none") return at(1);
    if (scheme.gain === "norm16") return at(roundToFloat16(root));
    if (scheme.gain === "norm16-corrected") {
      const unit = at(root).map((number) => (root > 0 ? number / root : 0));
      return unit.map((level) => level * roundToFloat16(root / Math.sqrt(meanSquare(unit))));
    }
    const power = meanSquare(z.map((number, channel) => number / Math.hypot(scale(0, channel), scale(1, channel))));
    const estimate = Math.max(-8, Math.min(7, Math.round(4 * Math.log2(Math.sqrt(power)))));
    const tried = [0, -1, 1, -2, 2]
      .map((step) => estimate + step)
      .filter((exponent) => exponent >= -8 && exponent <= 7);
    const errors = tried.map((exponent) => {
      const y = at(2 ** (exponent / 4));
      return { y, error: errorOf(y) };
    });
    return errors.reduce((best, next) => (next.error < best.error ? next : best)).y;
  };
  const y = quantized();
  const back = vector.map((_, row) =>
    y.reduce((sum, number, channel) => sum + number * matrix(1, row, channel), mean(row)),
  );
  return turned(back, (frequency) => position * frequency);
};

/**
 * Weights of earlier errors in the target of a channel. Given all errors up to this channel, the later ones that cost least leave a cost
 * that is quadratic in this one; its minimum is at minus the weighted sum. From Schur's complement by Gaussian elimination.
 */
const carryWeights = (
  order: readonly number[],
  place: number,
  cost: (row: number, column: number) => number,
): number[] => {
  const rest = order.map((row) => order.map((column) => cost(row, column)));
  for (let last = order.length - 1; last > place; last--)
    for (let row = 0; row < last; row++)
      for (let column = 0; column < last; column++)
        rest[row]![column]! -= (rest[row]![last]! / rest[last]![last]!) * rest[last]![column]!;
  return order.slice(0, place).map((_, k) => rest[place]![k]! / rest[place]![place]!);
};

/** Signs from the generator of the documentation. */
const signsOf = (seed: TransformScheme["signs"], headSize: number): Float32Array => {
  let state = seed === "none" ? 0 : seed;
  return Float32Array.from({ length: headSize }, () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return seed !== "none" && state >= 2 ** 31 ? -1 : 1;
  });
};

test.prop([anyTransform, fc.nat(4000), fc.nat()], { numRuns: 150 })(
  "errors are those of the formulas in double precision",
  (one, position, seed) => {
    const { scheme, assets, heads, headSize } = one;
    const tokens = 6 * blockTokens(scheme);
    const head = heads - 1;
    const own = schemeOfHead(scheme, head);
    const context = { assets, head, position };
    const x = normalNumbers(mulberry32(seed), tokens * headSize);
    const decoded = decodeBlock(encodeBlock(x, tokens, headSize, own, context), tokens, headSize, own, context);
    const expected = Array.from({ length: tokens }, (_, token) => {
      const row = Float64Array.from(x.subarray(token * headSize, (token + 1) * headSize));
      return [...reference(row, position + token, head, one)];
    }).flat();
    const squares = (other: ArrayLike<number>): number =>
      x.reduce((sum, number, index) => sum + (number - other[index]!) ** 2, 0);
    const error = squares(expected);
    expect(Math.abs(squares(decoded) - error)).toBeLessThanOrEqual(0.05 * error + 1e-8 * tokens);
    // A number half-way between levels, or two gains with equal errors, may be rounded either way.
    const far = expected.filter((number, index) => Math.abs(number - decoded[index]!) > 1e-4);
    expect(far.length).toBeLessThanOrEqual(headSize);
  },
);

describe("Lloyd-Max levels", () => {
  // J. Max, Quantizing for minimum distortion, IRE Transactions on Information Theory 6 (1960), table I.
  it.each([
    [1, [0.798], 0.3634],
    [2, [0.4528, 1.51], 0.1175],
    [3, [0.2451, 0.756, 1.344, 2.152], 0.03454],
    [4, [0.1284, 0.3881, 0.6568, 0.9424, 1.256, 1.618, 2.069, 2.733], 0.009497],
  ])("of %i bits are Max's", (bits, expected, distortion) => {
    const levels = gaussianLevels(bits);
    for (const [index, level] of expected.entries()) {
      expect(levels[expected.length + index]).toBeCloseTo(level, 2.7);
      expect(levels[expected.length - 1 - index]).toBe(-levels[expected.length + index]!);
    }
    expect(normalDistortion(levels) / distortion).toBeCloseTo(1, 3);
  });

  it.each([5, 6, 7, 8])("of %i bits are the means of their cells", (bits) => {
    const levels = gaussianLevels(bits);
    for (const [index, level] of levels.entries()) {
      const [low, high] = [(levels[index - 1] ?? -9) + level, (levels[index + 1] ?? 9) + level].map((sum) => sum / 2);
      const [mass, moment] = integral(low!, high!);
      expect(Math.abs(moment / mass - level)).toBeLessThan(2e-3);
    }
  });
});

/** Integrals of the density of N(0, 1) and of x times it, by the midpoint rule. */
const integral = (low: number, high: number): [number, number] => {
  const step = (high - low) / 2000;
  let [mass, moment] = [0, 0];
  for (let x = low + step / 2; x < high; x += step) {
    const density = Math.exp((-x * x) / 2);
    mass += density;
    moment += x * density;
  }
  return [mass, moment];
};

/** Mean squared error of N(0, 1), by the midpoint rule. */
const normalDistortion = (levels: Float32Array): number => {
  let sum = 0;
  for (let x = -6 + 5e-4; x < 6; x += 1e-3)
    sum +=
      (levels.reduce((least, level) => Math.min(least, (x - level) ** 2), Infinity) * Math.exp((-x * x) / 2)) / 1000;
  return sum / Math.sqrt(2 * Math.PI);
};

describe("TurboQuant's bound", () => {
  const HEAD_SIZE = 64;
  const ROTATIONS = 40;

  /** Vectors of norm 1: random, with one channel alone, and constant. */
  const unitVectors = (random: () => number): Float32Array => {
    const plain = normalNumbers(random, HEAD_SIZE);
    const vectors = [
      plain,
      Float32Array.from(plain, (_, index) => Number(index === 5)),
      new Float32Array(HEAD_SIZE).fill(1),
    ];
    return Float32Array.from(vectors.flatMap((vector) => [...vector].map((x) => x / Math.hypot(...vector))));
  };

  // Zandieh, Daliri, Hadian and Mirrokni 2025 (arXiv 2504.19874), theorem 1, and its figures for 1 to 4 bits.
  it.each([
    [1, 0.36],
    [2, 0.117],
    [3, 0.03],
    [4, 0.009],
  ] as const)("of %i bits: a unit vector is off by %f in the mean square", (bits, stated) => {
    const random = mulberry32(bits);
    const x = unitVectors(random);
    let sum = 0;
    for (let rotation = 0; rotation < ROTATIONS; rotation++) {
      const rows = orthogonalRows(random, HEAD_SIZE).flatMap((row) => [...row]);
      const turn = asset("turn", [1, 2, HEAD_SIZE, HEAD_SIZE], Float32Array.from([...rows, ...rows]));
      const scheme: TransformScheme = { ...PLAIN, bits, rotation: "turn", gain: "norm16" };
      const decoded = x.slice();
      fakeQuantize(x, decoded, { tokens: 3, heads: 1, headSize: HEAD_SIZE }, scheme, { assets: [turn] });
      sum += decoded.reduce((total, y, index) => total + (y - x[index]!) ** 2, 0);
    }
    const mean = sum / (3 * ROTATIONS);
    expect(mean).toBeLessThanOrEqual((Math.sqrt(3) * Math.PI) / 2 / 4 ** bits);
    expect(mean / stated).toBeGreaterThan(0.9);
    expect(mean / stated).toBeLessThan(1.16);
  });
});

describe("edge values", () => {
  const roundTrip = (x: Float32Array, scheme: TransformScheme): Float32Array => {
    const decoded = new Float32Array(x.length);
    fakeQuantize(x, decoded, { tokens: 1, heads: 1, headSize: x.length }, scheme);
    return decoded;
  };
  const logarithmic: TransformScheme = { ...PLAIN, bits: 2, gain: "log4" };

  it("a token of zeros decodes to zeros with a norm, and to the smallest levels with a gain in steps", () => {
    const zeros = new Float32Array(16);
    for (const gain of ["norm16", "norm16-corrected"] as const)
      expect(roundTrip(zeros, { ...PLAIN, gain, rotation: "hadamard" })).toEqual(zeros);
    expect(roundTrip(zeros, logarithmic).map(Math.abs)).toEqual(new Float32Array(16).fill(gaussianLevels(2)[2]! / 4));
  });

  it("a constant is exact with a corrected norm, as all its channels have one level", () => {
    const constant = new Float32Array(16).fill(-3.5);
    expect(roundTrip(constant, { ...PLAIN, bits: 3, gain: "norm16-corrected" })[0]).toBeCloseTo(-3.5, 2);
  });

  it("a token far larger than the text gets the largest gain, and one far smaller the smallest", () => {
    const levels = gaussianLevels(2);
    expect(roundTrip(new Float32Array(16).fill(1000), logarithmic)[3]).toBeCloseTo(levels[3]! * 2 ** 1.75, 5);
    expect(roundTrip(new Float32Array(16).fill(1e-6), logarithmic)[3]).toBeCloseTo(levels[2]! * 2 ** -2, 5);
  });

  it("a KV head without bits decodes to its mean", () => {
    const assets = [asset("w", [1, 4], new Uint8Array(4)), asset("m", [1, 4], Float32Array.of(1, 2, 3, 4))];
    for (const gain of ["none", "norm16-corrected", "log4"] as const) {
      const scheme: TransformScheme = { ...PLAIN, bits: [0], widths: "w", mean: "m", gain };
      assertAssetsFit(scheme, { kvHeads: 1, headSize: 4 }, assets);
      const block = encodeBlock(Float32Array.of(9, 9, 9, 9), 1, 4, scheme, { assets });
      expect(decodeBlock(block, 1, 4, scheme, { assets })).toEqual(Float32Array.of(1, 2, 3, 4));
    }
  });

  it("numbers at float16's limits stay finite", () => {
    const largest = Float32Array.from({ length: 16 }, (_, index) => (index % 2 === 0 ? 65_504 : -65_504));
    for (const gain of ["none", "norm16", "norm16-corrected", "log4"] as const)
      for (const bits of [1, 8, 16] as const)
        expect(
          roundTrip(largest, { ...PLAIN, bits, gain, rotation: "hadamard", signs: 3 }).every(Number.isFinite),
        ).toBe(true);
  });
});

describe("tables that do not fit", () => {
  const heads = { kvHeads: 2, headSize: 4 };
  const scheme: TransformScheme = {
    ...PLAIN,
    stage: "before-rope",
    frequencies: "f",
    pairing: "halves",
    mean: "m",
    rotation: "r",
    bits: [2.25, 1.75],
    widths: "w",
    gain: "log4",
    scales: "s",
  };
  const table = (name: string, shape: readonly number[], fill = 1) =>
    asset(name, shape, new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(fill));
  const rotation = asset("r", [2, 2, 4, 3], matricesOf(mulberry32(1), 2, 4, 3));
  const turnedOver = (at: number) =>
    asset(
      "r",
      rotation.shape,
      (rotation.data as Float32Array).map((number, index) => (index === at ? -number : number)),
    );
  const good = [
    table("f", [2]),
    table("m", [2, 4]),
    rotation,
    table("s", [2, 2, 3]),
    asset("w", [2, 3], Uint8Array.of(4, 4, 1, 0, 3, 4)),
  ];
  const replaced = (name: string, other?: Asset): Asset[] => [
    ...good.filter((own) => own.name !== name),
    ...(other ? [other] : []),
  ];

  it("are accepted if they do", () => {
    expect(schemeFault(scheme, heads)).toBeUndefined();
    expect(() => assertAssetsFit(scheme, heads, good)).not.toThrow();
  });

  it.each([
    ["are missing", replaced("m"), /an asset m for transform of 2 bits, before RoPE.*got f, r, s, w/],
    [
      "are of another shape",
      replaced("m", table("m", [1, 4])),
      /mean float32 \[2, 4\], got float32 \[1, 4\] in asset m/,
    ],
    ["are of another type", replaced("w", table("w", [2, 3])), /widths uint8 \[2, 3\], got float32/],
    ["have another number of channels", replaced("s", table("s", [2, 2, 4])), /scales float32 \[2, 2, 3\]/],
    [
      "have NaN",
      replaced("r", table("r", [2, 2, 4, 3], NaN)),
      /rotation of magnitude up to 2\^40, got NaN at 0 of asset r/,
    ],
    ["go back another way than forward", replaced("r", turnedOver(30)), /undo each other.* at KV head 1 in asset r/],
    ["lose all", replaced("r", table("r", [2, 2, 4, 3], 0)), /undo each other.* at KV head 0 in asset r/],
    ["have numbers beyond use", replaced("m", table("m", [2, 4], 2e12)), /mean of magnitude up to 2\^40, got 1999999/],
    ["have negative deviations", replaced("s", table("s", [2, 2, 3], -1)), /deviations from 0, got -1 in asset s/],
    [
      "have other bits than the scheme",
      replaced("w", asset("w", [2, 3], Uint8Array.of(4, 4, 1, 0, 4, 4))),
      /add up to 7 bits at KV head 1, got 8/,
    ],
    [
      "have unknown widths",
      replaced("w", asset("w", [2, 3], Uint8Array.of(9, 0, 0, 0, 3, 4))),
      /0 to 8 or 16 bits, got 9/,
    ],
    ["have too many frequencies", replaced("f", table("f", [3])), /at most 2 pairs, got f of float32 \[3\]/],
  ])("are rejected if they %s", (_, assets, message) => {
    expect(() => assertAssetsFit(scheme, heads, assets)).toThrow(message);
  });

  it.each([
    ["too few levels", Float32Array.of(1, 2, 3), /16 levels, got 3/],
    ["levels in another order", new Float32Array(16).map((_, index) => -index), /ascending levels/],
  ])("are rejected with %s", (_, levels, message) => {
    const own = { ...PLAIN, bits: 1 as const, levels: "l" };
    expect(() => assertAssetsFit(own, heads, [asset("l", [levels.length], levels)])).toThrow(message);
  });

  it.each([
    ["bits that are no whole number in a head", { bits: [2.2, 1.75] }, /whole bits in 4 channels, got 2.2/],
    ["bits of too few heads", { bits: [2, 2, 2] }, /each of 2, got 3/],
    ["one number of bits beside a table", { bits: 4 as const }, /bits in a list/],
    ["a list of bits without a table", { widths: "equal" }, /bits as one number/],
    ["a pairing without frequencies", { frequencies: "none" }, /frequencies and a pairing with stage before-rope/],
    ["signs without a Hadamard transform", { signs: 1 }, /signs only with rotation hadamard, got rotation r/],
  ])("schemes are rejected with %s", (_, change, message) => {
    expect(schemeFault({ ...scheme, ...change }, heads)).toMatch(message);
  });
});
