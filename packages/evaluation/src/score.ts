import { moments } from "./moments.ts";
import type { BaseWindow, WindowScore } from "./scorer.ts";

/** A plan's distance from the float cache, over all windows. Standard errors are over windows; NaN with one window. */
export interface Score {
  /** KL(float cache || plan), nats a token. */
  readonly kl: number;
  readonly klStandardError: number;
  /** Share of positions whose most likely token is the float cache's. */
  readonly top1: number;
  readonly top1StandardError: number;
  readonly perplexity: number;
  readonly perplexityStandardError: number;
  readonly basePerplexity: number;
  /** Positions scored. */
  readonly tokens: number;
  /** KL of each window, nats a token. */
  readonly windowKl: readonly number[];
}

/** Joins the scores of equally long windows. */
export const joinWindows = (windows: readonly WindowScore[], base: readonly BaseWindow[]): Score => {
  const kl = moments(windows.map((window) => window.kl));
  const top1 = moments(windows.map((window) => window.top1));
  const loss = moments(windows.map((window) => window.negativeLogLikelihood));
  return {
    kl: kl.mean,
    klStandardError: kl.standardError,
    top1: top1.mean,
    top1StandardError: top1.standardError,
    perplexity: Math.exp(loss.mean),
    perplexityStandardError: Math.exp(loss.mean) * loss.standardError,
    basePerplexity: Math.exp(moments(base.map((window) => window.negativeLogLikelihood)).mean),
    tokens: windows.reduce((sum, window) => sum + window.positions, 0),
    windowKl: windows.map((window) => window.kl),
  };
};
