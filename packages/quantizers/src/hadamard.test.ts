import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { hadamardBlockSize, transformed } from "./hadamard.ts";
import { anyHostility, hostileNumbers } from "./test-support/hostile-numbers.ts";
import { HEAD_SIZES } from "./test-support/schemes.ts";

/** Sign of an entry of Sylvester's matrix: the parity of the bits that both indices have. */
const sign = (row: number, column: number): number => {
  let parity = 1;
  for (let common = row & column; common > 0; common &= common - 1) parity = -parity;
  return parity;
};

/** The definition in double precision. */
const multiplied = (x: Float32Array, size: number): Float64Array =>
  Float64Array.from(x, (_, index) => {
    const start = index - (index % size);
    let sum = 0;
    for (let column = 0; column < size; column++) sum += sign(index % size, column) * x[start + column]!;
    return sum / Math.sqrt(size);
  });

test.prop([fc.constantFrom(...HEAD_SIZES, 24, 1), fc.integer({ min: 1, max: 3 }), anyHostility])(
  "the transform is the product with the matrix, and its own inverse",
  (headSize, tokens, hostility) => {
    const x = hostileNumbers(hostility, tokens * headSize, 60_000);
    const once = transformed(x, headSize);
    const twice = transformed(once, headSize);
    const rounding = 2 ** -20 * Math.hypot(...x) + 2 ** -140;
    for (const [index, expected] of multiplied(x, hadamardBlockSize(headSize)).entries()) {
      expect(Math.abs(once[index]! - expected)).toBeLessThanOrEqual(rounding);
      expect(Math.abs(twice[index]! - x[index]!)).toBeLessThanOrEqual(rounding);
    }
  },
);
