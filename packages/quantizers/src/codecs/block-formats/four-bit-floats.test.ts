import { blockFormatScheme } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import { decodeBlock, encodeBlock } from "../../block.ts";
import { e2m1FromNumber, numberFromE2m1 } from "./four-bit-floats.ts";

const filled = (count: number, ...first: readonly number[]): Float32Array =>
  Float32Array.from({ length: count }, (_, index) => first[index] ?? 0);

describe("e2m1", () => {
  it("has the numbers of table 5 of the OCP specification", () => {
    expect(Array.from({ length: 8 }, (_, code) => numberFromE2m1(code))).toEqual([0, 0.5, 1, 1.5, 2, 3, 4, 6]);
    for (let code = 0; code < 16; code++) expect(e2m1FromNumber(numberFromE2m1(code))).toBe(code);
  });

  it.each([
    [0.25, 0],
    [0.75, 1],
    [1.25, 1],
    [1.75, 2],
    [2.5, 2],
    [3.5, 4],
    [5, 4],
    [5.01, 6],
    [100, 6],
    [-5, -4],
  ])("rounds %d to %d: halves to even, clamped to 6", (x, expected) => {
    expect(numberFromE2m1(e2m1FromNumber(x))).toBe(expected);
  });
});

describe("mxfp4", () => {
  const scheme = blockFormatScheme("mxfp4");

  it.each([
    [6, 127],
    [7.9, 127],
    [8, 128],
    [1, 125],
    [2 ** -126, 0],
    [0, 0],
  ])("stores 2^(floor(log2 %d) - 2) as exponent %d", (largest, exponent) => {
    expect(encodeBlock(filled(32, largest), 1, 32, scheme).blocks![0]).toBe(exponent);
  });

  it("keeps numbers of the format and clamps those beyond 6", () => {
    const x = filled(32, 7.9, 6, -4, 3, 0.5, -0.2);
    const decoded = decodeBlock(encodeBlock(x, 1, 32, scheme), 1, 32, scheme);
    expect(decoded.subarray(0, 6)).toEqual(Float32Array.of(6, 6, -4, 3, 0.5, -0));
  });
});

describe("nvfp4", () => {
  const x = filled(16, 3, -1.5, 0.25, 0.1);

  it("stores the e4m3 of max / 6 and codes of 4 bits", () => {
    const { blocks } = encodeBlock(x, 1, 16, blockFormatScheme("nvfp4"));
    expect([...blocks!].slice(0, 3)).toEqual([0x30, 0xd7, 0x01]); // 0.5; 6, -3; 0.5, 0
    expect(blocks).toHaveLength(9);
  });

  it("divides by the tensor's scale first", () => {
    const scheme = blockFormatScheme("nvfp4", { scales: [2 ** -10] });
    const small = x.map((number) => number * 2 ** -10);
    const decoded = decodeBlock(encodeBlock(small, 1, 16, scheme), 1, 16, scheme);
    expect(decoded.map((number) => number * 2 ** 10).subarray(0, 4)).toEqual(Float32Array.of(3, -1.5, 0.25, 0));
  });
});
