import type { RuntimeSetting } from "../runtimes/runtime.ts";

/** Settings to measure: as many forward passes as eight, which leaves two for the estimates. */
const MEASURED = 8;

/** A setting with its size. */
export interface SizedSetting extends RuntimeSetting {
  /** Bytes of the cache at the context. */
  readonly bytes: number;
  /** Bits of a stored number, everything counted. */
  readonly bits: number;
}

/** A setting with its estimated loss. */
export interface EstimatedSetting {
  readonly setting: SizedSetting;
  readonly estimate: number;
}

/**
 * The settings that could be best: those that no other beats in estimated loss and in bytes, spread over their sizes, with the
 * least lossy one; then those of the next least loss.
 */
export const shortlist = (settings: readonly EstimatedSetting[]): SizedSetting[] => {
  const byLoss = settings.toSorted((a, b) => a.estimate - b.estimate || a.setting.bytes - b.setting.bytes);
  const front = byLoss.filter(({ setting }, index) =>
    byLoss.slice(0, index).every((better) => better.setting.bytes > setting.bytes),
  );
  const chosen = [...new Set([...spread(front, MEASURED), ...byLoss])].slice(0, MEASURED);
  return chosen.map(({ setting }) => setting);
};

/** Up to `count` items, with the first and the last. */
const spread = <Item>(items: readonly Item[], count: number): Item[] => {
  if (items.length <= count) return [...items];
  const step = (items.length - 1) / (count - 1);
  return Array.from({ length: count }, (_, place) => items[Math.round(place * step)]!);
};
