import { fc, test } from "@fast-check/vitest";
import { describe, expect } from "vitest";
import { compileKernels, instantiateKernels, type Kernels, knowsRelaxedSimd, type Simd } from "./kernel-module.ts";

/** Well beyond the kernels' own data. */
const CODES = 2 ** 18;
const FACTORS = 2 ** 19;
const SUMS = 2 ** 20;

const memory = new WebAssembly.Memory({ initial: 17, maximum: 17 });

const kernelsOf = async (simd: Simd): Promise<Kernels> => {
  const kernels = await instantiateKernels(await compileKernels(simd), memory);
  kernels.sumPanelsInto(SUMS);
  return kernels;
};

/** Position of a code, or of its bits from `from` on within `mask`: a 16-bit word and the shift in it. */
interface CodePart {
  readonly word: number;
  readonly shift: number;
  readonly from: number;
  readonly mask: number;
}

/** The byte of k within its four, and the 16-bit word that starts at it or at the byte before. */
const placeInFour = (output: number, k: number): { lane: number; shift: number } => ({
  lane: 2 * (output % 4) + (k % 2),
  shift: 8 * ((k >> 1) % 2),
});

/** Position of the code of an output and a k in a panel. */
const partsOf = (bits: number, output: number, k: number): CodePart[] => {
  const { lane, shift } = placeInFour(output, k);
  const group = Math.floor(output / 4);
  const four = k >> 2;
  const part = (word: number, offset: number, from = 0, mask = 2 ** bits - 1): CodePart => ({
    word: word + lane,
    shift: offset,
    from,
    mask,
  });
  if (bits === 4) return [part(16 * four + 8 * (group >> 1), shift + 4 * (group % 2))];
  if (bits === 2) return [part(8 * four, shift + 2 * group)];
  if (bits === 1) return [part(8 * (k >> 3), shift + 4 * (four % 2) + group)];
  if (bits === 5 || bits === 6) {
    const turn = 8 * bits * (k >> 3);
    const lower = part(turn + 16 * (four % 2) + 8 * (group >> 1), shift + 4 * (group % 2), 0, 15);
    const place = 2 * (four % 2) + (group % 2);
    return bits === 5
      ? [lower, part(turn + 32, shift + 4 * (group >> 1) + place, 4, 1)]
      : [lower, part(turn + 32 + 8 * (group >> 1), shift + 2 * place, 4, 3)];
  }
  if (bits === 8) return [part(16 * (k >> 1) + 8 * (group >> 1), 8 * (group % 2))];
  const start = 24 * (four >> 1);
  if (group < 2) return [part(start + 8 * (four % 2), shift + 3 * group)];
  if (group === 2) return [part(start + 16, shift + 3 * (four % 2))];
  return [part(start + 8 * (four % 2), shift + 6, 0, 3), part(start + 16, shift + 6 + (four % 2), 2, 1)];
};

/** Value of one code in each output group after masking, without a shift. */
const UNITS: Readonly<Record<number, readonly number[]>> = {
  1: [1, 2, 4, 8],
  2: [1, 4, 16, 64],
  3: [1, 8, 1, 1],
  4: [1, 16, 1, 16],
  5: [1, 1, 1, 1],
  6: [1, 1, 1, 1],
  8: [1, 1, 1, 1],
};
const BYTE_UNITS: Readonly<Record<number, readonly number[]>> = {
  ...UNITS,
  2: [1, 4, 16, 1],
  4: [1, 1, 1, 1],
};

const packPanel = (codes: readonly (readonly number[])[], bits: number, address: number): void => {
  const words = new Uint16Array(memory.buffer, address);
  words.fill(0, 0, codes.length * bits);
  for (const [k, row] of codes.entries())
    for (const [output, code] of row.entries())
      for (const { word, shift, from, mask } of partsOf(bits, output, k))
        words[word]! |= ((code >> from) & mask) << shift;
};

const anyPanels = fc
  .record({
    bits: fc.constantFrom(1, 2, 3, 4, 5, 6, 8),
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
      factors: fc.array(fc.array(fc.integer({ min: -16319, max: 16319 }), { minLength: steps, maxLength: steps }), {
        minLength: heads,
        maxLength: heads,
      }),
    }),
  );

const known = knowsRelaxedSimd();
const MODULES = [
  { simd: "baseline", units: UNITS },
  { simd: "dot-products", units: BYTE_UNITS },
] as const;

/** Skipped, with the reason, if the engine cannot compile a module. */
const unknown = (simd: Simd): boolean => simd !== "baseline" && !known;

for (const { simd, units } of MODULES)
  describe.skipIf(unknown(simd))(`${simd}${unknown(simd) ? " (this engine has no relaxed SIMD)" : ""}`, () => {
    test.prop([anyPanels], { numRuns: 60 })("panels sum what they should", async ({ bits, heads, panels, factors }) => {
      const kernels = await kernelsOf(simd);
      const steps = factors[0]!.length;
      const panelBytes = 2 * steps * bits;
      for (const [index, codes] of panels.entries()) packPanel(codes, bits, CODES + index * panelBytes);
      for (const [head, row] of factors.entries()) {
        new Int16Array(memory.buffer, FACTORS + 512 * head).set(row);
        kernels.splitFactors(bits, FACTORS + 512 * head, steps);
      }
      kernels.sumPanels(bits, heads, CODES, steps, FACTORS, 512, panels.length, panelBytes);
      const sums = new Int32Array(memory.buffer, SUMS);
      for (const [index, codes] of panels.entries())
        for (const [head, row] of factors.entries())
          for (let output = 0; output < 16; output++) {
            const sum = row.reduce((total, factor, k) => total + factor * codes[k]![output]!, 0);
            expect(sums[64 * index + 16 * head + output]).toBe(sum * units[bits]![output >> 2]!);
          }
    });
  });
