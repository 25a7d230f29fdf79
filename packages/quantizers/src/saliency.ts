/** Which queries of a run of tokens are probed for attention, as shares of the run. */
export interface ProbeShares {
  /** The newest ones. */
  readonly recent: number;
  /** Of the others, drawn at random. */
  readonly random: number;
}

/**
 * Places of the probe queries in a run of tokens, ascending: the newest, and some of the others drawn at random (ZipCache, arXiv
 * 2405.14256). At least one; each share is rounded to whole tokens.
 *
 * @param random uniform in `[0, 1)`
 */
export const probePlaces = (tokens: number, shares: ProbeShares, random: () => number): Int32Array => {
  const recent = Math.min(tokens, Math.max(1, Math.round(shares.recent * tokens)));
  const others = Int32Array.from({ length: tokens - recent }, (_, place) => place);
  const drawn = Math.min(others.length, Math.round(shares.random * tokens));
  for (let place = 0; place < drawn; place++) {
    const other = place + Math.floor(random() * (others.length - place));
    [others[place], others[other]] = [others[other]!, others[place]!];
  }
  return Int32Array.from([
    ...others.subarray(0, drawn),
    ...Array.from({ length: recent }, (_, i) => tokens - recent + i),
  ]).sort();
};

/**
 * ZipCache's saliency, the mean attention weight of each token over the probe queries that see it (arXiv 2405.14256):
 * `sums / reads`. Sums alone, which are MiKV's importance (arXiv 2402.18096, after H2O), favour early tokens, because more
 * queries see them. Tokens that no probe sees have saliency 0.
 *
 * @param sums attention weights of each token, added over the probes
 * @param reads probes that see each token
 */
export const normalizedSaliency = (sums: ArrayLike<number>, reads: ArrayLike<number>): Float64Array =>
  Float64Array.from({ length: sums.length }, (_, token) => (reads[token]! > 0 ? sums[token]! / reads[token]! : 0));

/** Places of the `count` largest numbers, ascending. Of equal numbers the later ones are taken. */
export const mostSalient = (saliency: ArrayLike<number>, count: number): Int32Array => {
  const places = Array.from({ length: saliency.length }, (_, place) => place);
  places.sort((a, b) => saliency[b]! - saliency[a]! || b - a);
  return Int32Array.from(places.slice(0, count)).sort();
};

/**
 * MiKV's balancer (arXiv 2402.18096): per channel, `sqrt(max |q| / max |k|)`. Keys times it and queries divided by it
 * have the same products, and outlier channels of both are about as large. Channels without keys or queries keep 1.
 *
 * @param largestQuery largest magnitude of each channel of the queries
 * @param largestKey the same of the keys
 */
export const queryKeyBalance = (largestQuery: ArrayLike<number>, largestKey: ArrayLike<number>): Float64Array =>
  Float64Array.from({ length: largestKey.length }, (_, channel) => {
    const ratio = largestQuery[channel]! / largestKey[channel]!;
    return Number.isFinite(ratio) && ratio > 0 ? Math.sqrt(ratio) : 1;
  });
