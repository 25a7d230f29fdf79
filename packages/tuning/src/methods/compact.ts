import type { Method } from "./method.ts";
import { pairSettings } from "./pairs.ts";

const BITS = [8, 4, 3, 2];

/** Keys per channel in groups of 128, values rotated and per token, 4 first and 32 newest tokens exact. */
export const compactMethod: Method = {
  name: "compact",
  title: "compact",
  source: "https://github.com/kvtuner/kvtuner",
  settings: pairSettings(
    "compact",
    BITS.flatMap((key) => BITS.filter((value) => value <= key).map((value) => `K${key}V${value}`)),
  ),
};
