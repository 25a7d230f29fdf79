import type { Method } from "./method.ts";
import { PAPER_PAIRS, pairSettings } from "./pairs.ts";

/** Keys per channel and values per token, groups of 32, the newest 32 tokens exact. KIVI itself has 2 and 4 bits; the rest is from KVTuner. */
export const kiviMethod: Method = {
  name: "kivi",
  title: "KIVI",
  source: "https://arxiv.org/abs/2402.02750",
  settings: pairSettings("kivi", PAPER_PAIRS),
};
