/** How one channel is reconstructed at one width: `g * (centre + deviation * level)`, and what that loses. */
export interface ChannelFit {
  readonly centre: number;
  readonly deviation: number;
  /** Weighted mean of the squared error of `z`. */
  readonly distortion: number;
}

/** Times that codes and parameters are fitted to each other. */
const ROUNDS = 8;

/**
 * Fits centre and deviation of a channel to its numbers, for every width. With no codes, the channel is 0.
 *
 * @param numbers the channel over all tokens, divided by the tokens' gains
 * @param weights what a squared error of each number counts for; squared gains included
 * @param tokens over which distortions are averaged
 * @param levels by width from 1, ascending
 * @returns by width from 0
 */
export const channelFits = (
  numbers: Float64Array,
  weights: Float64Array,
  tokens: number,
  levels: readonly ArrayLike<number>[],
): ChannelFit[] => {
  const sums = prefixSums(numbers, weights);
  const all = sums.between(0, numbers.length);
  const centre = all.weight === 0 ? 0 : all.first / all.weight;
  const deviation = Math.sqrt(Math.max(0, all.second / (all.weight || 1) - centre ** 2));
  const start = { centre, deviation };
  return [
    { ...start, distortion: all.second / tokens },
    ...levels.map((own) => {
      let fit = { ...start, distortion: errorOf(sums, start, own).error };
      for (let round = 0; round < ROUNDS; round++) {
        const { error, ...next } = refitted(sums, fit, own);
        if (!(error < fit.distortion)) break;
        fit = { ...next, distortion: error };
      }
      return { ...fit, distortion: fit.distortion / tokens };
    }),
  ];
};

type Fitted = Pick<ChannelFit, "centre" | "deviation">;

/** The best parameters for the codes that the current ones give, and their error with the codes that they give themselves. */
const refitted = (sums: PrefixSums, fit: Fitted, levels: ArrayLike<number>): Fitted & { readonly error: number } => {
  let [weight, level, square, first, mixed] = [0, 0, 0, 0, 0];
  eachCell(sums, fit, levels, (own, code) => {
    const at = levels[code]!;
    weight += own.weight;
    level += own.weight * at;
    square += own.weight * at * at;
    first += own.first;
    mixed += own.first * at;
  });
  const determinant = weight * square - level * level;
  if (!(determinant > 1e-12 * weight * square)) return { ...fit, error: Infinity };
  const next = {
    centre: (square * first - level * mixed) / determinant,
    deviation: (weight * mixed - level * first) / determinant,
  };
  return next.deviation > 0 ? { ...next, ...errorOf(sums, next, levels) } : { ...fit, error: Infinity };
};

const errorOf = (sums: PrefixSums, fit: Fitted, levels: ArrayLike<number>): { readonly error: number } => {
  let error = 0;
  eachCell(sums, fit, levels, ({ weight, first, second }, code) => {
    const at = fit.centre + fit.deviation * levels[code]!;
    error += second - 2 * at * first + at * at * weight;
  });
  return { error: Math.max(0, error) };
};

/** Visits the numbers nearest to each level. */
const eachCell = (
  sums: PrefixSums,
  { centre, deviation }: Fitted,
  levels: ArrayLike<number>,
  visit: (cell: CellSums, code: number) => void,
): void => {
  let start = 0;
  for (let code = 0; code < levels.length; code++) {
    const isLast = code === levels.length - 1;
    const end = isLast ? sums.count : sums.below(centre + (deviation * (levels[code]! + levels[code + 1]!)) / 2);
    visit(sums.between(start, end), code);
    start = end;
  }
};

/** Weighted sums of numbers, of their squares, and of the weights. */
interface CellSums {
  readonly weight: number;
  readonly first: number;
  readonly second: number;
}

/** Sums over ranges of the sorted numbers. */
interface PrefixSums {
  readonly count: number;
  between(start: number, end: number): CellSums;
  /** How many numbers are below a limit. */
  below(limit: number): number;
}

const prefixSums = (numbers: Float64Array, weights: Float64Array): PrefixSums => {
  const order = Uint32Array.from(numbers, (_, index) => index).sort((a, b) => numbers[a]! - numbers[b]!);
  const sorted = Float64Array.from(order, (index) => numbers[index]!);
  const sums = [0, 1, 2].map(() => new Float64Array(order.length + 1));
  for (const [place, index] of order.entries())
    for (const [power, own] of sums.entries())
      own[place + 1] = own[place]! + weights[index]! * numbers[index]! ** power;
  const [weight, first, second] = sums as [Float64Array, Float64Array, Float64Array];
  return {
    count: sorted.length,
    between: (start, end) => ({
      weight: weight[end]! - weight[start]!,
      first: first[end]! - first[start]!,
      second: second[end]! - second[start]!,
    }),
    below: (limit) => {
      let [low, high] = [0, sorted.length];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (sorted[middle]! < limit) low = middle + 1;
        else high = middle;
      }
      return low;
    },
  };
};
