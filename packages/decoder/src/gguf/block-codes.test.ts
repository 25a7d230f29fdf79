import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { seededRandom } from "../generation/sample-token.ts";
import { blockCodes } from "./block-codes.ts";
import { TENSOR_TYPES } from "./tensor-types.ts";
import { randomBlocks } from "./test-support/random-blocks.ts";

test.prop([
  fc.constantFrom(2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 20, 23, 39),
  fc.integer({ min: 1, max: 6 }),
  fc.integer(),
])("scale * code + offset is the dequantized number, and every code fits its bits", (typeId, blocks, seed) => {
  const { name, blockSize: storedBlock, dequantize } = TENSOR_TYPES[typeId]!;
  const count = storedBlock * blocks;
  const bytes = randomBlocks(typeId, count, 2, seededRandom(seed));
  const expected = new Float32Array(count);
  dequantize(new DataView(bytes.buffer), expected);
  const { blockSize, bits, codes, scales, offsets } = blockCodes(name, bytes, count);
  for (const [index, number] of expected.entries()) {
    const block = Math.floor(index / blockSize);
    const code = codes[index]!;
    expect(code).toBe(Math.max(-(2 ** (bits - 1)), Math.min(2 ** (bits - 1) - 1, code)));
    expect(Math.abs(scales[block]! * code + (offsets?.[block] ?? 0) - number)).toBeLessThan(1e-6);
  }
});
