/** Two tables of one KV head, both `[rows, channels]`: `z_j = sum_i x_i forward[i, j]` and back `x_i = sum_j z_j backward[i, j]`. */
export interface TablePair {
  readonly forward: Float32Array;
  readonly backward: Float32Array;
  readonly channels: number;
}

/**
 * Whether going back and forward again keeps a `z`, up to rounding. Tries one, as a complete check would take the cube of the
 * head size: tables that are not inverse would have to cancel out on just that one.
 */
export const areInverse = ({ forward, backward, channels }: TablePair): boolean => {
  const again = new Float64Array(channels);
  const magnitudes = new Float64Array(channels);
  for (let start = 0; start < forward.length; start += channels) {
    let [number, magnitude] = [0, 0];
    for (let channel = 0; channel < channels; channel++) {
      const product = backward[start + channel]! * probe(channel);
      number += product;
      magnitude += Math.abs(product);
    }
    for (let channel = 0; channel < channels; channel++) {
      again[channel]! += number * forward[start + channel]!;
      magnitudes[channel]! += magnitude * Math.abs(forward[start + channel]!);
    }
  }
  return again.every((number, channel) => Math.abs(number - probe(channel)) <= TOLERANCE * magnitudes[channel]!);
};

/** From 0.5 to 1.5, without a pattern that matrices have. */
const probe = (channel: number): number => 1 + Math.cos(channel * channel) / 2;

/** Of the sum of magnitudes; far above float32 rounding, far below a wrong number. */
const TOLERANCE = 1e-4;
