import type { Bits, TensorScheme } from "@kvtuner/plan";
import type { CodedPair, SalientScheme } from "./salient-scheme.ts";

/** Tokens that ZipCache codes together. */
const ZIPCACHE_RUN = 100;

/** Keys per channel; values per token after each channel is divided by the root of its largest magnitude. */
const zipcachePair = (bits: 4 | 2): CodedPair => ({
  key: {
    kind: "affine",
    bits,
    format: "affine",
    axis: "channel",
    groupSize: ZIPCACHE_RUN,
    blockSize: ZIPCACHE_RUN,
    transform: "none",
  },
  value: {
    kind: "balanced",
    bits,
    axis: "token",
    groupSize: "row",
    blockSize: ZIPCACHE_RUN,
    transform: "none",
    balance: "largest",
    order: "none",
    clip: 1,
    parameters: "float16",
  },
});

/**
 * ZipCache (arXiv 2405.14256) with the settings of its published code: 4 bits for 60% of the tokens and 2 for the rest, decided
 * every 100 tokens, by probes that are the newest 5% and another 5% at random.
 */
export const ZIPCACHE: SalientScheme = {
  rule: { kind: "normalized", probes: { recent: 0.05, random: 0.05 } },
  share: 0.6,
  firstTokens: ZIPCACHE_RUN,
  every: ZIPCACHE_RUN,
  salient: zipcachePair(4),
  rest: zipcachePair(2),
  isBalanced: false,
  seed: 0,
};

/**
 * MiKV (arXiv 2402.18096): a share of the tokens in 16 bits, half of it the newest, and the others per token in 4, 3 or 2 bits with
 * balanced keys.
 */
export const mikvScheme = (share: number, bits: Extract<Bits, 4 | 3 | 2>): SalientScheme => {
  const perToken: TensorScheme = {
    kind: "affine",
    bits,
    format: "affine",
    axis: "token",
    groupSize: "head",
    blockSize: 1,
    transform: "none",
  };
  return {
    rule: { kind: "accumulated", recent: 0.5 },
    share,
    firstTokens: 100,
    every: 1,
    rest: { key: perToken, value: perToken },
    isBalanced: true,
    seed: 0,
  };
};
