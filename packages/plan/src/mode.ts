import { type AffineScheme, type Bits, CODE_BITS } from "./codecs/affine.ts";
import { FLOAT16 } from "./codecs/float16.ts";
import type { TensorScheme } from "./codecs/registry.ts";
import type { LayerScheme } from "./scheme.ts";

/** Named cache layouts; the pair adds the number of bits. */
export type Mode = "per-token" | "kivi" | "compact";

/** A mode, or `KEYS/VALUES`: keys as in one mode and values as in another, with the exact tokens of the first. */
export type ModeMix = Mode | `${Mode}/${Mode}`;

/** Bits that a pair can name: those of an affine code, or 16 for float16. */
export const PAIR_BITS: readonly (Bits | 16)[] = [...CODE_BITS, 16];

/** Bits of the keys and of the values of one layer. */
export interface Pair {
  readonly key: Bits | 16;
  readonly value: Bits | 16;
}

/** First and newest tokens to keep in 16 bits, if not as the mode says. */
export interface ResidencyOverrides {
  readonly sinks?: number;
  readonly recent?: number;
}

type Layout = Omit<AffineScheme, "bits">;

interface ModeLayout {
  readonly key: Layout;
  readonly value: Layout;
  readonly sinks: number;
  readonly recent: number;
}

const TOKEN: Layout = {
  kind: "affine",
  format: "affine",
  axis: "token",
  groupSize: "head",
  blockSize: 1,
  transform: "none",
};
const CHANNEL: Layout = { ...TOKEN, axis: "channel" };

const LAYOUTS: Readonly<Record<Mode, ModeLayout>> = {
  "per-token": { key: TOKEN, value: TOKEN, sinks: 0, recent: 0 },
  kivi: {
    key: { ...CHANNEL, groupSize: 32, blockSize: 32 },
    value: { ...TOKEN, groupSize: 32, blockSize: 32 },
    sinks: 0,
    recent: 32,
  },
  compact: {
    key: { ...CHANNEL, groupSize: 128, blockSize: 128 },
    value: { ...TOKEN, transform: "hadamard" },
    sinks: 4,
    recent: 32,
  },
};

/** All modes, by name. */
export const MODES: readonly Mode[] = Object.keys(LAYOUTS) as Mode[];

/** Keys as in each mode with values as in each other one. */
export const MIXES: readonly ModeMix[] = MODES.flatMap((keys) =>
  MODES.filter((values) => values !== keys).map((values) => `${keys}/${values}` as const),
);

/** The layer scheme of a mode, or of a mix of two, and a pair. */
export const layerScheme = (mode: ModeMix, pair: Pair, overrides: ResidencyOverrides = {}): LayerScheme => {
  const [keys, values = keys] = mode.split("/") as [Mode, Mode?];
  const { key, sinks, recent } = LAYOUTS[keys];
  return {
    key: tensorScheme(key, pair.key),
    value: tensorScheme(LAYOUTS[values].value, pair.value),
    residency: { kind: "prefix", sinks, recent, ...overrides },
  };
};

const tensorScheme = ({ kind, ...layout }: Layout, bits: Bits | 16): TensorScheme =>
  bits === 16 ? FLOAT16 : { kind, bits, ...layout };
