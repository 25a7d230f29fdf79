import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { compileKernels, instantiateKernels } from "./kernel-module.ts";

const memory = new WebAssembly.Memory({ initial: 17, maximum: 17 });
const kernels = await instantiateKernels(await compileKernels(), memory);

/** Well behind the kernels' own data. */
const CODES = 2 ** 18;
const FACTORS = 2 ** 19;
const SUMS = 2 ** 20;
kernels.sumPanelsInto(SUMS);

/** 16-bit words, each with the lowest bit of its part of a code: one, but for the 3-bit code that is spread over three. */
interface CodePlace {
  readonly words: readonly number[];
  readonly shift: number;
  /** What a unit is, in codes. */
  readonly factor: number;
}

const triple = (word: number, shift: number, factor: number): CodePlace => ({ words: [word], shift, factor });

/** Places of the codes of 3 bits by pair of k, then by output group; words count in v128 of the 48 bytes. */
const TRIPLES: readonly (readonly CodePlace[])[] = [
  [triple(0, 0, 1), triple(0, 3, 8), triple(0, 6, 64), triple(8, 9, 1)],
  [triple(8, 0, 1), triple(8, 3, 8), triple(8, 6, 64), triple(16, 9, 1)],
  [triple(16, 0, 1), triple(16, 3, 8), triple(16, 6, 64), triple(8, 12, 1)],
  [triple(0, 9, 1), triple(0, 12, 8), { words: [0, 8, 16], shift: 15, factor: 64 }, triple(16, 12, 1)],
];

/** Where a panel has the code of an output and a k. */
const placeOf = (bits: number, output: number, k: number): CodePlace => {
  const lane = 2 * (output % 4) + (k % 2);
  const group = Math.floor(output / 4);
  const pair = Math.floor(k / 2);
  if (bits === 4) return { words: [8 * pair + lane], shift: 4 * group, factor: group % 2 ? 16 : 1 };
  if (bits === 2) return { words: [8 * (pair >> 1) + lane], shift: 2 * group + 8 * (pair % 2), factor: 4 ** group };
  if (bits === 8) return { words: [16 * pair + 8 * (group >> 1) + lane], shift: 8 * (group % 2), factor: 1 };
  const { words, shift, factor } = TRIPLES[pair % 4]![group]!;
  return { words: words.map((word) => 24 * (pair >> 2) + word + lane), shift, factor };
};

const packPanel = (codes: readonly (readonly number[])[], bits: number, address: number): void => {
  const words = new Uint16Array(memory.buffer, address);
  words.fill(0, 0, codes.length * bits);
  for (const [k, row] of codes.entries())
    for (const [output, code] of row.entries()) {
      const { words: at, shift } = placeOf(bits, output, k);
      if (at.length === 1) words[at[0]!]! |= code << shift;
      else for (const [bit, word] of at.entries()) words[word]! |= ((code >> bit) & 1) << shift;
    }
};

const anyPanels = fc
  .record({
    bits: fc.constantFrom(2, 3, 4, 8),
    heads: fc.integer({ min: 1, max: 4 }),
    steps: fc.integer({ min: 1, max: 16 }).map((eighths) => 8 * eighths),
    panels: fc.integer({ min: 1, max: 8 }),
  })
  .chain(({ bits, heads, steps, panels }) =>
    fc.record({
      bits: fc.constant(bits),
      heads: fc.constant(heads),
      panels: fc.array(
        fc.array(fc.array(fc.nat(2 ** bits - 1), { minLength: 16, maxLength: 16 }), {
          minLength: steps,
          maxLength: steps,
        }),
        { minLength: panels, maxLength: panels },
      ),
      factors: fc.array(fc.array(fc.integer({ min: -9000, max: 9000 }), { minLength: steps, maxLength: steps }), {
        minLength: heads,
        maxLength: heads,
      }),
    }),
  );

test.prop([anyPanels], { numRuns: 60 })("panels sum what they should", ({ bits, heads, panels, factors }) => {
  const steps = factors[0]!.length;
  const panelBytes = 2 * steps * bits;
  for (const [index, codes] of panels.entries()) packPanel(codes, bits, CODES + index * panelBytes);
  for (const [head, row] of factors.entries()) new Int16Array(memory.buffer, FACTORS + 512 * head).set(row);
  kernels.sumPanels(bits, heads, CODES, steps, FACTORS, 512, panels.length, panelBytes);
  const sums = new Int32Array(memory.buffer, SUMS);
  for (const [index, codes] of panels.entries())
    for (const [head, row] of factors.entries())
      for (let output = 0; output < 16; output++) {
        const sum = row.reduce((total, factor, k) => total + factor * codes[k]![output]!, 0);
        expect(sums[64 * index + 16 * head + output]).toBe(sum * placeOf(bits, output, 0).factor);
      }
});
