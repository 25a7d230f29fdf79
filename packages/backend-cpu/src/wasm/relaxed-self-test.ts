import { compileKernels, instantiateKernels, type Kernels, knowsRelaxedSimd, type Simd } from "./kernel-module.ts";

const PAGES = 17;
/** Well beyond the kernels' own data. */
const CODES = 2 ** 18;
const FACTORS = 2 ** 19;
const SUMS = 2 ** 20;

const CHANNELS = 32;
const PANELS = 2;
/** Largest factor that two bytes hold. */
const LARGEST_FACTOR = 16_319;

/** Kernels and their memory. */
export interface KernelsWithMemory {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
}

let relaxedSimdWorks: Promise<boolean> | undefined;

/**
 * Whether this engine validates relaxed SIMD and multiplies bytes correctly. Node 20 validates it under a flag, and gets dot
 * products wrong until it optimizes the function: the first call of every function decides, once per process.
 */
export const hasRelaxedSimd = (): Promise<boolean> => {
  relaxedSimdWorks ??= testRelaxedSimd().catch((error: unknown) => {
    relaxedSimdWorks = undefined;
    throw error;
  });
  return relaxedSimdWorks;
};

const testRelaxedSimd = async (): Promise<boolean> =>
  knowsRelaxedSimd() && sumsAgree(await kernelsOf("baseline"), await kernelsOf("dot-products"));

const kernelsOf = async (simd: Simd): Promise<KernelsWithMemory> => {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
  return { kernels: await instantiateKernels(await compileKernels(simd), memory), memory };
};

/** True if both give the same integer sums, for all widths multiplied as bytes and all numbers of heads. */
export const sumsAgree = (one: KernelsWithMemory, other: KernelsWithMemory): boolean =>
  [2, 3, 4].every((bits) =>
    [1, 2, 3, 4].every((heads) => {
      const [expected, got] = [panelSums(one, bits, heads), panelSums(other, bits, heads)];
      return expected.every((sum, index) => sum === got[index]);
    }),
  );

/** Sums of codes times factors, `[PANELS][heads][16]`, for fixed codes and factors. */
const panelSums = ({ kernels, memory }: KernelsWithMemory, bits: number, heads: number): number[] => {
  const panelBytes = 2 * CHANNELS * bits;
  const codes = new Uint8Array(memory.buffer, CODES, PANELS * panelBytes);
  for (const index of codes.keys()) codes[index] = Math.imul(index + 1, 0x9e3779b1) >>> 24;
  const factors = new Int16Array(memory.buffer, FACTORS, heads * CHANNELS);
  for (const index of factors.keys()) factors[index] = LARGEST_FACTOR * Math.sin(3 * index + 1);
  kernels.splitFactors(bits, FACTORS, heads * CHANNELS);
  kernels.sumPanelsInto(SUMS);
  kernels.sumPanels(bits, heads, CODES, CHANNELS, FACTORS, 2 * CHANNELS, PANELS, panelBytes);
  const units = new Float32Array(memory.buffer, kernels.unitFactors(bits), 4);
  const sums = new Int32Array(memory.buffer, SUMS, PANELS * 64);
  return Array.from({ length: PANELS * heads * 16 }, (_, index) => {
    const output = index % 16;
    const row = Math.floor(index / 16);
    return sums[64 * Math.floor(row / heads) + 16 * (row % heads) + output]! * units[output >> 2]!;
  });
};
