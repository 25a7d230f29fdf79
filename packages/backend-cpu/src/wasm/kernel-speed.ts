import { compileKernels, instantiateKernels, type Kernels, type Simd } from "./kernel-module.ts";

/** Three query heads by eight panels of 64 channels in 4 bits: the bulk of decoding. */
const PANELS = { bits: 4, heads: 3, channels: 64, panels: 8 };
const PANEL_BYTES = 2 * PANELS.channels * PANELS.bits;
const FACTOR_BYTES = 2 * PANELS.channels;

const PAGES = 17;
/** Well beyond the kernels' own data. */
const CODES = 2 ** 18;
const FACTORS = 2 ** 19;
const SUMS = 2 ** 20;

/** Long enough for engines to optimize the loops half way through. */
const PROBE_MS = 16;
const CALLS = 20;
/** Smaller gains could be noise. */
const WORTHWHILE = 0.95;

/** Whether the panel sums of `one` module are clearly faster here than those of `other`; takes about 20 ms. */
export const isFaster = async (one: Simd, other: Simd): Promise<boolean> => {
  const [first, second] = [await panelSums(one), await panelSums(other)];
  const start = performance.now();
  let [firstMs, secondMs] = [Infinity, Infinity];
  for (let spentMs = 0; spentMs < PROBE_MS; spentMs = performance.now() - start) {
    if (spentMs < PROBE_MS / 2) [firstMs, secondMs] = [Infinity, Infinity];
    firstMs = Math.min(firstMs, timeMs(first));
    secondMs = Math.min(secondMs, timeMs(second));
  }
  return firstMs < WORTHWHILE * secondMs;
};

const timeMs = (run: () => void): number => {
  const start = performance.now();
  for (let call = 0; call < CALLS; call++) run();
  return performance.now() - start;
};

const panelSums = async (simd: Simd): Promise<() => void> => {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
  const kernels: Kernels = await instantiateKernels(await compileKernels(simd), memory);
  kernels.sumPanelsInto(SUMS);
  const { bits, heads, channels, panels } = PANELS;
  return () => kernels.sumPanels(bits, heads, CODES, channels, FACTORS, FACTOR_BYTES, panels, PANEL_BYTES);
};
