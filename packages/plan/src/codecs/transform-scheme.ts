import type { RopeFields } from "./rope-fields.ts";

/** Widths that all channels can share, in bits; 16 is float16. A table of widths also has 0. */
export const CHANNEL_BITS = [1, 2, 3, 4, 5, 6, 7, 8, 16] as const;

/** Bits of a gain that is stored as a power of two. */
export const LOG_GAIN_BITS = 4;

/**
 * Head vectors in another basis, each channel with its own number of bits, and a gain per token. Fields name assets of the
 * plan or say `none`. Steps of encoding, in order; decoding goes back:
 *
 * 1. Stage `before-rope`: undo RoPE at the token's position.
 * 2. Subtract the mean.
 * 3. Rotate: `z = (x - mean) F`, back `x = z B + mean`.
 * 4. Divide by the gain: `z_i = gain * (centre_i + deviation_i * level)`, and code the nearest level of each channel.
 */
export interface TransformScheme extends RopeFields {
  readonly kind: "transform";
  /** float32 `[kvHeads, headSize]`. */
  readonly mean: string;
  /**
   * `hadamard`, or the matrices `F` and the transposed `B`: float32 `[kvHeads, 2, headSize, channels]`. Diagonal ones may be
   * `[kvHeads, 2, headSize]`.
   */
  readonly rotation: string;
  /** Random signs before the Hadamard transform, from this seed. */
  readonly signs: "none" | number;
  /** Mean bits of one number, which all channels have, or which each KV head's widths give (one for all heads, or one per head). */
  readonly bits: (typeof CHANNEL_BITS)[number] | readonly number[];
  /** Bits of each channel, 0 to 8 or 16: uint8 `[kvHeads, channels]`; `equal` if all have `bits`. Channels of 0 bits decode to 0. */
  readonly widths: string;
  /**
   * `norm16`: the root mean square of `z` in float16 (TurboQuant's norm). `norm16-corrected`: the same after scaling the decoded
   * vector to the norm of `z`. `log4`: `2^(k/4)`, `k` from -8 to 7 in 4 bits, chosen by squared error.
   */
  readonly gain: "none" | "norm16" | "norm16-corrected" | "log4";
  /** Lloyd-Max levels of a normal distribution, or those of each coded channel in order, ascending: float32 `[sum of 2^width]`. */
  readonly levels: string;
  /** Centre and deviation of each channel, 0 and 1 by default: float32 `[kvHeads, 2, channels]`. */
  readonly scales: string;
  /**
   * What errors `e` of `z` cost, `e' metric e`: float32 `[kvHeads, channels, channels]`, symmetric; the squares of `e` by default. Used to choose
   * codes, not to read them: channels of few bits are coded first, and the others make up for their errors.
   */
  readonly metric: string;
  /** Tokens encoded together. Their codes fill whole bytes. */
  readonly blockSize: number;
}

/** The transform that changes nothing before it codes: Gaussian levels for numbers of deviation 1, one token after the other. */
export const PLAIN_TRANSFORM: Omit<TransformScheme, "bits"> = {
  kind: "transform",
  stage: "as-given",
  frequencies: "none",
  pairing: "none",
  mean: "none",
  rotation: "none",
  signs: "none",
  widths: "equal",
  gain: "none",
  levels: "gaussian",
  scales: "none",
  metric: "none",
  blockSize: 1,
};

/** Bits of one token of one KV head, codes and a logarithmic gain. */
export const tokenBits = ({ bits, gain }: TransformScheme, headSize: number): number => {
  const [mean, ...others] = typeof bits === "number" ? [bits] : bits;
  if (others.length > 0) throw new Error("internal: expected the transform scheme of one KV head");
  return Math.round(mean! * headSize) + (gain === "log4" ? LOG_GAIN_BITS : 0);
};
