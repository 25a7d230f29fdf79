import type { Method } from "./method.ts";
import { PAPER_PAIRS, pairSettings } from "./pairs.ts";

/** Keys and values per token: one scale and minimum for each head vector, no token exact. */
export const perTokenMethod: Method = {
  name: "per-token",
  title: "per token",
  source: "https://arxiv.org/abs/2502.04420",
  settings: pairSettings("per-token", PAPER_PAIRS),
};
