import type { TunableModel } from "../tunable-model.ts";

/** Largest magnitude of each channel of a layer, `[kvHeads * headSize]`. */
export interface ChannelRanges {
  readonly key: Float32Array;
  readonly value: Float32Array;
}

/** Ranges of every layer over some samples; one forward pass each. */
export const channelRanges = async (
  { shape, trace }: Pick<TunableModel, "shape" | "trace">,
  samples: readonly Int32Array[],
  signal?: AbortSignal,
): Promise<ChannelRanges[]> => {
  const ranges: ChannelRanges[] = [];
  for (const sample of samples)
    await trace(sample, (layer, { key, value }) => {
      signal?.throwIfAborted();
      const known = ranges[layer];
      ranges[layer] = {
        key: widened(known?.key, key, sample.length),
        value: widened(known?.value, value, sample.length),
      };
    });
  return Array.from({ length: shape.layers }, (_, layer) => ranges[layer]!);
};

/** `rows` are `[tokens, channels]`. */
const widened = (known: Float32Array | undefined, rows: Float32Array, tokens: number): Float32Array => {
  const ranges = known ?? new Float32Array(rows.length / tokens);
  for (const [index, number] of rows.entries()) {
    const channel = index % ranges.length;
    ranges[channel] = Math.max(ranges[channel]!, Math.abs(number));
  }
  return ranges;
};
