/**
 * Channels of keys that outgrow their head: a code of `bits` bits that covers such a channel has steps larger than the
 * standard deviation of the head's median channel.
 *
 * @param keys `[tokens, heads * headSize]` row-major
 * @returns channel indexes `head * headSize + channel`, rising
 */
export const outlierChannels = (
  keys: Float32Array,
  { kvHeads, headSize }: { readonly kvHeads: number; readonly headSize: number },
  bits: number,
): number[] => {
  const width = kvHeads * headSize;
  const channels = Array.from({ length: width }, (_, channel) => channelStatistics(keys, channel, width));
  return Array.from({ length: kvHeads }, (_, head) => {
    const own = channels.slice(head * headSize, (head + 1) * headSize);
    const typical = median(own.map(({ deviation }) => deviation));
    return own.flatMap(({ reach }, channel) =>
      (2 * reach) / (2 ** bits - 1) > typical ? [head * headSize + channel] : [],
    );
  }).flat();
};

const channelStatistics = (
  keys: Float32Array,
  channel: number,
  width: number,
): { readonly reach: number; readonly deviation: number } => {
  const tokens = keys.length / width;
  const column = Float64Array.from({ length: tokens }, (_, token) => keys[token * width + channel]!);
  const mean = column.reduce((sum, x) => sum + x, 0) / tokens;
  return {
    reach: column.reduce((most, x) => Math.max(most, Math.abs(x)), 0),
    deviation: Math.sqrt(column.reduce((sum, x) => sum + (x - mean) ** 2, 0) / tokens),
  };
};

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
