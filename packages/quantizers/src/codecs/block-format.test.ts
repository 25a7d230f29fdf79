import { fc, test } from "@fast-check/vitest";
import {
  assertAssetsFit,
  BLOCK_FORMATS,
  type BlockFormatName,
  type BlockFormatScheme,
  blockFormatScheme,
  schemeFault,
} from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import { blockErrorBounds } from "../block-error-bounds.ts";
import { decodeBlock, encodeBlock, encodedBytes } from "../block.ts";
import { fakeQuantize } from "../fake-quantize.ts";
import { anyHostility, hostileNumbers } from "../test-support/hostile-numbers.ts";

const FORMATS = Object.keys(BLOCK_FORMATS) as BlockFormatName[];
const HEADS = 2;

const schemeFor = (format: BlockFormatName, headSize: number, rotation: BlockFormatScheme["rotation"]) =>
  blockFormatScheme(format, {
    rotation: BLOCK_FORMATS[format].rotates ? rotation : "none",
    ...(format.startsWith("ort") && { scales: Array.from({ length: HEADS * headSize }, (_, i) => 0.01 * (1 + i)) }),
  });

/** Index of the first number whose bits differ. */
const firstDifference = (got: Float32Array, expected: Float32Array): number => {
  const bits = new Uint32Array(expected.buffer);
  return new Uint32Array(got.buffer).findIndex((word, index) => word !== bits[index]);
};

test.prop(
  [
    fc.constantFrom(...FORMATS),
    fc.constantFrom("none" as const, "keys" as const, "values" as const),
    fc.constantFrom(64, 128, 192),
    fc.integer({ min: 1, max: 2 }),
    anyHostility,
  ],
  { numRuns: 100 },
)(
  "whole blocks equal decoded packed blocks, within their bounds and bytes",
  (format, rotation, headSize, blocks, h) => {
    const scheme = schemeFor(format, headSize, rotation);
    const tokens = blocks * scheme.blockSize;
    const source = hostileNumbers(h, tokens * HEADS * headSize, 5000);
    const target = new Float32Array(source.length);
    fakeQuantize(source, target, { tokens, heads: HEADS, headSize }, scheme);
    for (let head = 0; head < HEADS; head++) {
      const [x, expected] = [source, target].map((rows) =>
        rows.filter((_, index) => Math.floor(index / headSize) % HEADS === head),
      );
      const encoded = encodeBlock(x!, tokens, headSize, scheme, { head });
      const decoded = decodeBlock(encoded, tokens, headSize, scheme, { head });
      expect(firstDifference(decoded, expected!)).toBe(-1);
      expect(encoded.blocks!.byteLength).toBe(encodedBytes(tokens, headSize, scheme));
      const { numbers } = blockErrorBounds(x!, tokens, headSize, scheme, { head });
      expect(x!.findIndex((number, index) => !(Math.abs(number - decoded[index]!) <= numbers[index]!))).toBe(-1);
    }
  },
);

/** The numbers of a group after coding and decoding, from the formula alone, in double precision. */
type Formula = (x: readonly number[]) => number[];

const extremes = (x: readonly number[]) => ({ min: Math.min(...x), max: Math.max(...x) });
const clamped = (x: number, low: number, high: number): number => Math.max(low, Math.min(x, high));
const nearest = (x: number, levels: readonly number[]): number =>
  levels.reduce((best, level) => (Math.abs(level - x) < Math.abs(best - x) ? level : best));
const E2M1 = [0, 0.5, 1, 1.5, 2, 3, 4, 6].flatMap((level) => [level, -level]);
const E4M3 = Array.from({ length: 127 }, (_, code) =>
  code < 8 ? code * 2 ** -9 : (8 + (code % 8)) * 2 ** ((code >> 3) - 10),
);

const minMax =
  (bits: number): Formula =>
  (x) => {
    const { min, max } = extremes(x);
    const step = (max - min) / (2 ** bits - 1);
    return x.map((number) => min + step * Math.round((number - min) / step));
  };
const mlx =
  (bits: number): Formula =>
  (x) => {
    const { min, max } = extremes(x);
    const [edge, other] = -min > max ? [min, max] : [max, min];
    const step = (other - edge) / (2 ** bits - 1);
    const exact = edge / Math.round(edge / step);
    return x.map((number) => edge + exact * clamped(Math.round((number - edge) / exact), 0, 2 ** bits - 1));
  };
const hadamard: Formula = (x) =>
  x.map((_, row) => {
    const parity = (bits: number): number => bits.toString(2).replaceAll("0", "").length % 2;
    return x.reduce((sum, number, column) => sum + (parity(row & column) ? -number : number), 0) / Math.sqrt(x.length);
  });
const exllama =
  (bits: number): Formula =>
  (x) => {
    const rotated = hadamard(x);
    const scale = Math.max(...rotated.map(Math.abs));
    const levels = Array.from({ length: 2 ** bits }, (_, code) => (scale * (2 * code + 1)) / 2 ** bits - scale);
    return hadamard(rotated.map((number) => nearest(number, levels)));
  };
const symmetric =
  (bits: number, scale: number): Formula =>
  (x) =>
    x.map((number) => scale * clamped(Math.round(number / scale), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1));
const ggmlSymmetric =
  (bits: number): Formula =>
  (x) => {
    const extreme = x.reduce((most, number) => (Math.abs(number) > Math.abs(most) ? number : most));
    const scale = extreme / -(2 ** (bits - 1));
    return symmetric(bits, scale)(x);
  };

const FORMULAS: Readonly<Record<BlockFormatName, Formula>> = {
  q8_0: (x) => symmetric(8, Math.max(...x.map(Math.abs)) / 127)(x),
  q5_1: minMax(5),
  q5_0: ggmlSymmetric(5),
  q4_1: minMax(4),
  q4_0: ggmlSymmetric(4),
  iq4_nl: (x) => {
    const levels = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
    const extreme = x.reduce((most, number) => (Math.abs(number) > Math.abs(most) ? number : most));
    const chosen = x.map((number) => nearest((number / extreme) * -127, levels));
    const product = x.reduce((sum, number, index) => sum + number ** 3 * chosen[index]!, 0);
    const square = x.reduce((sum, number, index) => sum + (number * chosen[index]!) ** 2, 0);
    return chosen.map((level) => (level * product) / square);
  },
  mxfp4: (x) => {
    const scale = 2 ** (Math.floor(Math.log2(Math.max(...x.map(Math.abs)))) - 2);
    return x.map((number) => scale * nearest(number / scale, E2M1));
  },
  nvfp4: (x) => {
    const scale = nearest(Math.max(...x.map(Math.abs)) / 6, E4M3);
    return x.map((number) => scale * nearest(number / scale, E2M1));
  },
  mlx2: mlx(2),
  mlx3: mlx(3),
  mlx4: mlx(4),
  mlx5: mlx(5),
  mlx6: mlx(6),
  mlx8: mlx(8),
  quanto2: minMax(2),
  quanto4: minMax(4),
  "quanto2-channel": minMax(2),
  "quanto4-channel": minMax(4),
  hqq4: minMax(4),
  exllama2: exllama(2),
  exllama3: exllama(3),
  exllama4: exllama(4),
  exllama5: exllama(5),
  exllama6: exllama(6),
  exllama7: exllama(7),
  exllama8: exllama(8),
  "ort-int8": symmetric(8, 0.03),
  "ort-int4": symmetric(4, 0.5),
};

/** Numbers like those of a cache: roughly normal, with an offset and two large channels. Seeded. */
const cacheLike = (tokens: number, headSize: number): Float32Array => {
  let state = 12_345;
  const uniform = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  return Float32Array.from({ length: tokens * headSize }, (_, index) => {
    const normal = Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
    return Math.fround([4, 30].includes(index % headSize) ? 5 + normal : 0.1 + normal);
  });
};

describe("error compared with the formula in double precision", () => {
  it.each(FORMATS)("%s", (format) => {
    const [tokens, headSize] = [64, 64];
    const scales = { "ort-int8": [0.03], "ort-int4": [0.5] }[format as string];
    const scheme = blockFormatScheme(format, scales ? { scales } : {});
    const x = cacheLike(tokens, headSize);
    const decoded = decodeBlock(encodeBlock(x, tokens, headSize, scheme), tokens, headSize, scheme);
    const { along, numbers } = BLOCK_FORMATS[format];
    const count = numbers === "head" ? headSize : numbers;
    const [stride, groups] = along === "channel" ? [headSize, headSize] : [1, x.length / count];
    let [ours, formula] = [0, 0];
    for (let group = 0; group < groups; group++) {
      const at = (place: number): number => (along === "channel" ? group : group * count) + place * stride;
      const numbersOf = (of: Float32Array): number[] => Array.from({ length: count }, (_, place) => of[at(place)]!);
      const [source, got] = [numbersOf(x), numbersOf(decoded)];
      for (const [place, number] of FORMULAS[format](source).entries()) {
        ours += (got[place]! - source[place]!) ** 2;
        formula += (number - source[place]!) ** 2;
      }
    }
    // Float16 parameters matter at 8 bits.
    expect(Math.abs(ours / formula - 1)).toBeLessThan(format === "mlx8" ? 0.05 : 0.01);
  });
});

describe("llama.cpp's rotation", () => {
  const rotated = (rotation: "keys" | "values" | "none", headSize: number): Float32Array => {
    const x = new Float32Array(headSize).fill(1, 0, 1);
    const scheme = blockFormatScheme("q8_0", { rotation });
    const blocks = encodeBlock(x, 1, headSize, scheme);
    return decodeBlock(blocks, 1, headSize, { ...scheme, rotation: "none" });
  };
  const spread = (x: Float32Array): number => x.filter((number) => Math.abs(number) > 1e-3).length;

  it.each([
    ["keys", 64, 64],
    ["keys", 128, 128],
    ["keys", 192, 64],
    ["keys", 256, 256],
    ["keys", 320, 64],
    ["keys", 96, 1],
    ["values", 128, 64],
    ["values", 96, 1],
    ["none", 128, 1],
  ] as const)("spreads a number of %s, head size %d, over %d channels", (rotation, headSize, channels) => {
    expect(spread(rotated(rotation, headSize))).toBe(channels);
  });
});

describe("schemes that no plan can have", () => {
  it.each([
    [blockFormatScheme("q8_0"), 80, "for format q8_0 to have a multiple of 32 as its head size, got 80"],
    [blockFormatScheme("quanto4", { blockSize: 1 }), 80, /multiple of 64 as its blockSize times the head size, got 80/],
    [blockFormatScheme("quanto4-channel", { blockSize: 65 }), 64, /multiple of 64 as its blockSize, got 65/],
    [blockFormatScheme("mlx4", { rotation: "keys" }), 64, "for format mlx4 to have rotation none, got keys"],
    [blockFormatScheme("mlx4", { scales: [1] }), 64, "for format mlx4 to have scales none"],
    [blockFormatScheme("nvfp4", { scales: "none" }), 64, "for format nvfp4 to have fixed scales, got none"],
    [blockFormatScheme("nvfp4", { scales: [1, 1] }), 64, "for format nvfp4 to have one scale, got 2"],
    [blockFormatScheme("ort-int8", { scales: [1, 2] }), 64, "for format ort-int8 to have 1 or 128 scales, got 2"],
  ])("%j, head size %d", (scheme, headSize, fault) => {
    expect(schemeFault(scheme, { kvHeads: 2, headSize })).toMatch(fault);
  });

  it("numbers that the rotation moves beyond float16 are rejected", () => {
    const x = new Float32Array(64).fill(60_000);
    expect(() => encodeBlock(x, 1, 64, blockFormatScheme("q4_0", { rotation: "keys" }))).toThrow(
      expect.objectContaining({ code: "QUANTIZER_OVERFLOW" }),
    );
  });
});

describe("scales of an asset", () => {
  const scheme = blockFormatScheme("ort-int8", { scales: "key.scales" });
  const asset = (data: Float32Array) => ({
    name: "key.scales",
    dtype: "float32" as const,
    shape: [HEADS, data.length / HEADS],
    data,
  });

  it("are those of the block's head", () => {
    const assets = [asset(Float32Array.from({ length: HEADS * 64 }, (_, index) => (index < 64 ? 1 : 0.5)))];
    const x = new Float32Array(64).fill(2.5);
    const decoded = [0, 1].map((head) => {
      const encoded = encodeBlock(x, 1, 64, scheme, { assets, head });
      return decodeBlock(encoded, 1, 64, scheme, { assets, head })[0];
    });
    expect(decoded).toEqual([2, 2.5]);
  });

  it.each([
    [new Float32Array(3).fill(1), "to have 1 or 128 scales, got 3"],
    [Float32Array.of(NaN), "to have positive scales key.scales, got NaN"],
    [Float32Array.of(0), "to have positive scales key.scales, got 0"],
  ])("must fit: %j", (data, fault) => {
    expect(() => assertAssetsFit(scheme, { kvHeads: HEADS, headSize: 64 }, [asset(data)])).toThrow(
      expect.objectContaining({ code: "PLAN_ASSET_UNFIT", message: expect.stringContaining(fault) as string }),
    );
  });
});
