import type { Capabilities, SchemeFamily } from "@kvtuner/backend";

const SCHEMES = {
  bits: [2, 3, 4, 8, 16],
  formats: ["affine", "symmetric"],
  transforms: ["none", "hadamard"],
} as const;

const TOKEN: SchemeFamily = { ...SCHEMES, axis: "token", groupSizes: ["head", 16, 32, 64, 128] };
const CHANNEL: SchemeFamily = { ...SCHEMES, axis: "channel", groupSizes: [16, 32, 64, 128] };

/** Panels have 16 outputs. */
const HEAD_SIZES: readonly number[] = Array.from({ length: 32 }, (_, index) => 16 * (index + 1));

/** What the kernels have beside the limits of memory: keys on both axes, values on axis token. */
export const KERNEL_CAPABILITIES: Omit<Capabilities, "maxCacheBytes" | "maxTokens"> = {
  key: [TOKEN, CHANNEL],
  value: [TOKEN],
  headSizes: HEAD_SIZES,
  deviceTensors: false,
};

/** Several memories of 4 GiB: about ten, for engines reserve 8 GiB and more of addresses for each. */
export const MAX_CACHE_BYTES: number = 8 * 2 ** 32;

/** Positions are 32-bit numbers, and pointers to pages as many as there are pages. */
export const MAX_TOKENS: number = 2 ** 24;
