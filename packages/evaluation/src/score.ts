import { moments } from "./moments.ts";
import type { BaseSample, SampleScore } from "./scorer.ts";

/** A plan's distance from the float cache over all samples. Standard errors are over samples; NaN with one sample. */
export interface Score {
  /** KL(float cache || plan), nats per token. */
  readonly kl: number;
  readonly klStandardError: number;
  /** 99.9th percentile of the KL of single positions, nats. */
  readonly klTail: number;
  /** Share of positions where plan and float cache have the same likeliest token. */
  readonly top1: number;
  readonly top1StandardError: number;
  readonly perplexity: number;
  readonly perplexityStandardError: number;
  readonly basePerplexity: number;
  /** Positions scored. */
  readonly tokens: number;
  /** KL of each sample, nats per token. */
  readonly sampleKl: readonly number[];
}

/** Combines the scores of equally long samples. */
export const joinSamples = (
  samples: readonly SampleScore[],
  base: readonly Pick<BaseSample, "negativeLogLikelihood">[],
): Score => {
  const kl = moments(samples.map((sample) => sample.kl));
  const top1 = moments(samples.map((sample) => sample.top1));
  const loss = moments(samples.map((sample) => sample.negativeLogLikelihood));
  return {
    kl: kl.mean,
    klStandardError: kl.standardError,
    klTail: percentile(
      samples.flatMap(({ positionKl }) => positionKl),
      TAIL,
    ),
    top1: top1.mean,
    top1StandardError: top1.standardError,
    perplexity: Math.exp(loss.mean),
    perplexityStandardError: Math.exp(loss.mean) * loss.standardError,
    basePerplexity: Math.exp(moments(base.map((sample) => sample.negativeLogLikelihood)).mean),
    tokens: samples.reduce((sum, sample) => sum + sample.positions, 0),
    sampleKl: samples.map((sample) => sample.kl),
  };
};

/** Share of positions below the tail. */
const TAIL = 0.999;

/** The smallest value that at least this share of all values does not exceed. */
const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.ceil(share * values.length) - 1] ?? Number.NaN;
