import type { Bits, LayerScheme, TensorScheme } from "./scheme.ts";

/** Named ways to lay out a cache; the pair says with how many bits. */
export type Mode = "per-token" | "kivi" | "compact";

/** Bits of the keys and of the values of one layer. */
export interface Pair {
  readonly key: Bits;
  readonly value: Bits;
}

/** Window and sinks other than the mode's own. */
export interface WindowOverrides {
  readonly window?: number;
  readonly sinks?: number;
}

interface ModeLayout {
  readonly key: Omit<TensorScheme, "bits">;
  readonly value: Omit<TensorScheme, "bits">;
  readonly window: number;
  readonly sinks: number;
}

const TOKEN = { format: "affine", axis: "token", groupSize: "head", blockSize: 1, transform: "none" } as const;
const CHANNEL = { format: "affine", axis: "channel", transform: "none" } as const;

const LAYOUTS: Readonly<Record<Mode, ModeLayout>> = {
  "per-token": { key: TOKEN, value: TOKEN, window: 0, sinks: 0 },
  kivi: {
    key: { ...CHANNEL, groupSize: 32, blockSize: 32 },
    value: { ...TOKEN, groupSize: 32, blockSize: 32 },
    window: 32,
    sinks: 0,
  },
  compact: {
    key: { ...CHANNEL, groupSize: 128, blockSize: 128 },
    value: { ...TOKEN, transform: "hadamard" },
    window: 32,
    sinks: 4,
  },
};

/** All modes, by name. */
export const MODES: readonly Mode[] = ["per-token", "kivi", "compact"];

/** The layer scheme of a mode and a pair. */
export const layerScheme = (mode: Mode, pair: Pair, overrides: WindowOverrides = {}): LayerScheme => {
  const { key, value, window, sinks } = LAYOUTS[mode];
  return { key: { bits: pair.key, ...key }, value: { bits: pair.value, ...value }, window, sinks, ...overrides };
};
