import type { Capabilities, SchemeFamily } from "@kvtuner/backend";

const SCHEMES = {
  bits: [2, 3, 4, 8, 16],
  formats: ["affine", "symmetric"],
  transforms: ["none", "hadamard"],
} as const;

const TOKEN: SchemeFamily = { ...SCHEMES, axis: "token", groupSizes: ["head", 16, 32, 64, 128] };
const CHANNEL: SchemeFamily = { ...SCHEMES, axis: "channel", groupSizes: [16, 32, 64, 128] };

/** Channels come in units of 16, and a workgroup of 64 lanes takes four each. */
const HEAD_SIZES: readonly number[] = Array.from({ length: 16 }, (_, index) => 16 * (index + 1));

/** What the kernels have beside the limits of memory: keys on both axes, values on axis token. */
export const KERNEL_CAPABILITIES: Omit<Capabilities, "maxCacheBytes" | "maxTokens"> = {
  key: [TOKEN, CHANNEL],
  value: [TOKEN],
  headSizes: HEAD_SIZES,
  deviceTensors: true,
};

/** More than any GPU has: what one has, it tells by running out. */
export const MAX_CACHE_BYTES: number = 2 ** 40;

/** Positions are 32-bit numbers. */
export const MAX_TOKENS: number = 2 ** 24;
