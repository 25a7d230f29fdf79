import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { decodeBlock, encodeBlock } from "./block.ts";
import { fakeQuantize } from "./fake-quantize.ts";
import { roundToFloat16 } from "./float16.ts";
import { anyHostility, hostileNumbers } from "./test-support/hostile-numbers.ts";
import { anyScheme } from "./test-support/schemes.ts";

const HEADS = 2;
const HEAD_SIZE = 32;
const WIDTH = HEADS * HEAD_SIZE;

/** Head by head and block by block through packed codes, as a cache would store it. */
const expectedRows = (source: Float32Array, scheme: Parameters<typeof encodeBlock>[3]): Float32Array => {
  if (scheme.kind === "float16") return source.map(roundToFloat16);
  const expected = source.slice();
  const numbers = scheme.blockSize * WIDTH;
  for (let start = 0; start + numbers <= source.length; start += numbers)
    for (let head = 0; head < HEADS; head++) {
      const own = (index: number): boolean => Math.floor(index / HEAD_SIZE) % HEADS === head;
      const block = source.slice(start, start + numbers).filter((_, index) => own(index));
      const encoded = encodeBlock(block, scheme.blockSize, HEAD_SIZE, scheme);
      const decoded = decodeBlock(encoded, scheme.blockSize, HEAD_SIZE, scheme).values();
      for (let index = 0; index < numbers; index++) if (own(index)) expected[start + index] = decoded.next().value!;
    }
  return expected;
};

test.prop([anyScheme, fc.constantFrom(1, 5, 32, 33), fc.integer({ min: 0, max: 100 }), fc.boolean(), anyHostility], {
  numRuns: 300,
})(
  "whole blocks equal decoded packed blocks, and the rest is copied",
  (anyOf, blockSize, tokens, inPlace, hostility) => {
    const scheme = anyOf.kind === "float16" ? anyOf : { ...anyOf, blockSize };
    const source = hostileNumbers(hostility, tokens * WIDTH, 5000);
    const expected = new Uint32Array(expectedRows(source, scheme).buffer);
    const target = inPlace ? source : new Float32Array(source.length);
    fakeQuantize(source, target, { tokens, heads: HEADS, headSize: HEAD_SIZE }, scheme);
    expect(new Uint32Array(target.buffer).findIndex((word, index) => word !== expected[index])).toBe(-1);
  },
);
