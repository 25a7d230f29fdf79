import { type ChannelFit, channelFits } from "./channel-fits.ts";
import { channelTransform, type CodingTransform, karhunenLoeve, transformed } from "./linear-transform.ts";
import { fisherMetric, tokenWeights, weightedMoments } from "./moments.ts";
import { tokenGains } from "./token-gains.ts";

/** Keys or values of one KV head, and their gradients. */
export interface HeadSamples {
  /** Numbers of a token. */
  readonly size: number;
  /** `[tokens, size]`, row-major. */
  readonly rows: Float32Array;
  /** By draw of labels, laid out as `rows`. */
  readonly gradients: readonly Float32Array[];
}

/** What is known of one KV head at any number of bits. */
export interface HeadTables {
  readonly transform: CodingTransform;
  /** By channel and width from 0. Distortions estimate twice the KL of one token, in nats. */
  readonly fits: readonly (readonly ChannelFit[])[];
}

/**
 * Computes the tables of one KV head from samples: a Karhunen-Loève transform, or channels by themselves.
 *
 * @param levels by width from 1 bit, ascending, for a deviation of 1
 * @throws CalibrationDataError
 */
export const headTables = (
  { size, rows, gradients }: HeadSamples,
  form: "channels" | "karhunen-loeve",
  levels: readonly ArrayLike<number>[],
): HeadTables => {
  const metric = fisherMetric(gradients, size);
  const weights = tokenWeights(gradients, size);
  const moments = weightedMoments(rows, weights, size);
  const transform = form === "channels" ? channelTransform(metric, moments) : karhunenLoeve(metric, moments);
  const coordinates = transformed(rows, transform);
  const gains = tokenGains(coordinates, transform.variances);
  const squares = weights.map((weight, token) => weight * gains[token]! ** 2);
  const fits = Array.from({ length: size }, (_, channel) =>
    channelFits(
      gains.map((gain, token) => coordinates[token * size + channel]! / gain),
      squares,
      gains.length,
      levels,
    ),
  );
  return { transform, fits };
};
