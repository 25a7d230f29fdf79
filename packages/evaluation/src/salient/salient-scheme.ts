import { blockTokens, isCoded, type LayerScheme, type TensorScheme } from "@kvtuner/plan";
import type { ProbeShares } from "@kvtuner/quantizers";

/** How the keys and the values of some tokens are coded. */
export type CodedPair = Pick<LayerScheme, "key" | "value">;

/**
 * What makes a token salient. `normalized`: its mean attention weight over the probe queries of its run that see it (ZipCache).
 * `accumulated`: the sum of its attention weights over all queries, but the newest tokens come first; `recent` is their share
 * of the salient ones (MiKV, after H2O).
 */
export type SaliencyRule =
  | { readonly kind: "normalized"; readonly probes: ProbeShares }
  | { readonly kind: "accumulated"; readonly recent: number };

/**
 * Two precisions in one layer. Tokens are exact until a decision: at `firstTokens`, and every `every` tokens after that. A
 * decision codes tokens after the newest query has read them exactly, each KV head by its own attention.
 */
export interface SalientScheme {
  readonly rule: SaliencyRule;
  /** Share of the tokens that are salient. */
  readonly share: number;
  /** Tokens before the first decision, such as those of the prompt. */
  readonly firstTokens: number;
  readonly every: number;
  /**
   * How salient tokens are coded, for good. Without it they stay in 16 bits, `share` of all tokens, and are coded as `rest`
   * when later ones are more salient.
   */
  readonly salient?: CodedPair;
  readonly rest: CodedPair;
  /** Whether MiKV's balancer, from the tokens before the first decision, scales the keys coded as `rest`. */
  readonly isBalanced: boolean;
  /** 32-bit integer that draws the probes. */
  readonly seed: number;
}

/** A scheme of blocks with all of `tokens` in one block, and in one group along a channel; others unchanged. */
export const inOneBlock = (scheme: TensorScheme, tokens: number): TensorScheme => {
  if (!isCoded(scheme) || blockTokens(scheme) === 1) return scheme;
  const isGrouped = "axis" in scheme && scheme.axis === "channel" && typeof scheme.groupSize === "number";
  return { ...scheme, blockSize: tokens, ...(isGrouped && { groupSize: tokens }) } as TensorScheme;
};

/** Whether a decision is due when a layer holds `length` tokens. */
export const isDecisionDue = ({ firstTokens, every }: SalientScheme, length: number): boolean =>
  length >= firstTokens && (length - firstTokens) % every === 0;
