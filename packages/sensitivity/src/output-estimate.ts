import type { FloatArray } from "./relative-error.ts";

/**
 * Losses of one candidate at one layer, estimated from gradients of log-likelihoods with respect to the layer's attention output.
 * In nats a token, one number per draw of labels.
 */
export interface OutputEstimate {
  /** KL to the float cache, for labels as the model predicts them: half the mean of squared inner products. */
  readonly kl: readonly number[];
  /** First-order rise of the loss on the labels; for comparison, on the tokens that really follow. */
  readonly firstOrder: readonly number[];
  /** The same with the absolute value taken token by token. */
  readonly firstOrderAbsolute: readonly number[];
  /** e_o²: squared error of the attention output over its squared size. Near 1, the estimates are far too low. */
  readonly outputError: number;
}

/** Attention outputs of one layer, exact and with a candidate's cache, and gradients, `[tokens, width]` row-major each. */
export interface ReaderOutput {
  readonly exact: FloatArray;
  readonly output: FloatArray;
  /** By draw: gradient of the summed log-likelihood of the labels. */
  readonly gradients: readonly FloatArray[];
}

/** Adds up what a candidate changes wherever its layer's cache is read. */
export interface EstimateSum {
  /** Adds all rows of a reader. */
  add(reader: ReaderOutput): void;
  result(): OutputEstimate;
}

/**
 * Estimates the loss of one candidate. With `G` the gradient at a token and `d` the error of the attention output there:
 *
 *     kl = 1 / (2 tokens) * sum over tokens of <G, d>²
 *
 * In expectation over labels this is half the quadratic form of the Fisher matrix without the terms between two tokens; their
 * mean is small and their variance large. Layers that share the cache add to the same inner products.
 *
 * @param labelled positions that have labels, over which losses are averaged; all tokens by default
 */
export const createEstimateSum = (tokens: number, draws: number, labelled: number = tokens): EstimateSum => {
  const products = Array.from({ length: draws }, () => new Float64Array(tokens));
  let [errorSquare, exactSquare] = [0, 0];
  return {
    add: ({ exact, output, gradients }) => {
      const size = exact.length / tokens;
      for (let index = 0; index < exact.length; index++) {
        const difference = output[index]! - exact[index]!;
        errorSquare += difference ** 2;
        exactSquare += exact[index]! ** 2;
        const token = Math.floor(index / size);
        for (let draw = 0; draw < draws; draw++)
          products[draw]![token] = products[draw]![token]! + difference * gradients[draw]![index]!;
      }
    },
    result: () => ({
      kl: products.map((own) => sum(own, (product) => product ** 2) / (2 * labelled)),
      firstOrder: products.map((own) => -sum(own, (product) => product) / labelled),
      firstOrderAbsolute: products.map((own) => sum(own, Math.abs) / labelled),
      outputError: exactSquare === 0 ? 0 : errorSquare / exactSquare,
    }),
  };
};

/** KL of a pair over the sum of its halves, means over draws; 1 where all are 0. Far from 1, halves do not add up. */
export const additivity = (
  pair: Pick<OutputEstimate, "kl">,
  key: Pick<OutputEstimate, "kl">,
  value: Pick<OutputEstimate, "kl">,
): number => {
  const total = (numbers: readonly number[]): number => sum(numbers, (number) => number);
  const [joint, halves] = [total(pair.kl), total(key.kl) + total(value.kl)];
  return joint === halves ? 1 : joint / halves;
};

/** A mean with its standard error. */
export interface Estimated {
  readonly mean: number;
  /** NaN with one sample and one draw. */
  readonly standardError: number;
}

/**
 * Mean over samples of text and draws of labels, `[sample][draw]`. The standard error is the larger of two: of the samples' means,
 * and of the draws if the samples did not differ. Two samples say little about the spread of all.
 */
export const meanEstimate = (samples: readonly (readonly number[])[]): Estimated => {
  const means = samples.map((draws) => mean(draws, (draw) => draw));
  const overSamples = deviation(means) / Math.sqrt(means.length);
  const within = Math.sqrt(mean(samples, (draws) => deviation(draws) ** 2));
  const overDraws = within / Math.sqrt(samples.flat().length);
  const known = [overSamples, overDraws].filter((error) => !Number.isNaN(error));
  return { mean: mean(means, (value) => value), standardError: known.length === 0 ? Number.NaN : Math.max(...known) };
};

const sum = <Item>(items: ArrayLike<Item>, value: (item: Item) => number): number => {
  let total = 0;
  for (let index = 0; index < items.length; index++) total += value(items[index]!);
  return total;
};

const mean = <Item>(items: ArrayLike<Item>, value: (item: Item) => number): number => sum(items, value) / items.length;

/** Of a population, from a sample of it; NaN for fewer than two values. */
const deviation = (values: readonly number[]): number => {
  const centre = mean(values, (value) => value);
  return Math.sqrt((mean(values, (value) => (value - centre) ** 2) * values.length) / (values.length - 1));
};
