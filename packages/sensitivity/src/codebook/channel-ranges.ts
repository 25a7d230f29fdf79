/** Half the range and the middle of each channel, float32 `[size]`. */
export interface ChannelRanges {
  readonly scales: Float32Array;
  readonly offsets: Float32Array;
}

/**
 * The range of each channel of rows `[tokens, size]` without its outliers: from the percentile `share / 2` to
 * `1 - share / 2`, interpolated between numbers (KVQuant, arXiv 2401.18079); all numbers for a share of 0.
 */
export const channelRanges = (rows: Float32Array, size: number, share: number): ChannelRanges => {
  const tokens = rows.length / size;
  const [scales, offsets] = [new Float32Array(size), new Float32Array(size)];
  for (let channel = 0; channel < size; channel++) {
    const sorted = Float32Array.from({ length: tokens }, (_, token) => rows[token * size + channel]!).sort();
    const [low, high] = [percentile(sorted, share / 2), percentile(sorted, 1 - share / 2)];
    scales[channel] = (high - low) / 2;
    offsets[channel] = (high + low) / 2;
  }
  return { scales, offsets };
};

const percentile = (sorted: Float32Array, share: number): number => {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const [low, high] = [sorted[below]!, sorted[Math.min(below + 1, sorted.length - 1)]!];
  return low + (place - below) * (high - low);
};
