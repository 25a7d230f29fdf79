import * as fc from "fast-check";
import { expect, it } from "vitest";
import type { Buffer } from "../device/buffer.ts";
import { eachBlock } from "./blocks.ts";

const NO_BUFFER = {} as Buffer;

/** Blocks of these sizes, end to end. */
const blocksOf = (sizes: readonly number[]) =>
  sizes.map((tokens, index) => ({
    first: sizes.slice(0, index).reduce((sum, size) => sum + size, 0),
    tokens,
    key: NO_BUFFER,
    value: NO_BUFFER,
  }));

const ranges = fc.record({
  sizes: fc.array(fc.constantFrom(128, 256, 1024), { minLength: 1, maxLength: 4 }),
  from: fc.nat(20_000),
  count: fc.nat(3000),
});

it("tokens of a range are visited once, in order, each at its place in the cycle", () => {
  fc.assert(
    fc.property(ranges, ({ sizes, from, count }) => {
      const blocks = blocksOf(sizes);
      const cycle = sizes.reduce((sum, size) => sum + size, 0);
      let next = from;
      eachBlock({ blocks, cycle }, from, from + count, (block, start, end) => {
        expect(start).toBe(next);
        const place = blocks.find(({ first }) => first === block.first % cycle)!;
        expect((start % cycle) - place.first).toBe(start - block.first);
        expect(end - block.first).toBeLessThanOrEqual(place.tokens);
        next = end;
      });
      expect(next).toBe(from + count);
    }),
  );
});

it("without a span, blocks are where they are", () => {
  const visited: number[][] = [];
  eachBlock({ blocks: blocksOf([128, 256]), cycle: Infinity }, 100, 300, ({ first }, from, to) =>
    visited.push([first, from, to]),
  );
  expect(visited).toEqual([
    [0, 100, 128],
    [128, 128, 300],
  ]);
});
