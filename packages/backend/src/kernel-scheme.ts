import type { TensorScheme } from "@kvtuner/plan";

/** A scheme as numbers for kernels. */
export interface KernelScheme {
  /** False for float16: no token is ever coded, and of the fields below only `bits` matters. */
  readonly isCoded: boolean;
  /** Bits of a stored number. */
  readonly bits: number;
  /** True when groups run along the tokens of a channel. */
  readonly isChannel: boolean;
  /** Numbers that share a scale. */
  readonly groupSize: number;
  /** True when each group has a minimum as well as a scale. */
  readonly hasMinima: boolean;
  readonly isRotated: boolean;
  /** Tokens encoded together. */
  readonly blockSize: number;
}

/**
 * The numbers of a scheme that the kernels' codecs store: float16 and affine. Capabilities exclude all others.
 *
 * @throws Error for a scheme of another codec
 */
export const kernelScheme = (scheme: TensorScheme, headSize: number): KernelScheme => {
  if (scheme.kind === "float16") return { ...FLOAT16_NUMBERS, groupSize: headSize };
  if (scheme.kind !== "affine") throw new Error(`internal: kernels cannot store the codec ${scheme.kind}`);
  const { bits, format, axis, groupSize, blockSize, transform } = scheme;
  return {
    isCoded: true,
    bits,
    isChannel: axis === "channel",
    groupSize: groupSize === "head" ? headSize : groupSize,
    hasMinima: format === "affine",
    isRotated: transform !== "none",
    blockSize,
  };
};

const FLOAT16_NUMBERS: Omit<KernelScheme, "groupSize"> = {
  isCoded: false,
  bits: 16,
  isChannel: false,
  hasMinima: true,
  isRotated: false,
  blockSize: 1,
};
