import type { Asset } from "../asset.ts";
import type { CodecFormat, Part, Place } from "./codec-format.ts";
import { areInverse } from "./inverse-tables.ts";

/** Widths of an affine code, in bits. */
export const CODE_BITS = [1, 2, 3, 4, 5, 6, 8] as const;

/** Bits of one affine code. */
export type Bits = (typeof CODE_BITS)[number];

/** How a group of numbers becomes codes. */
export type Format = "affine" | "symmetric";

/**
 * Axis that a group runs along: `token` groups neighbouring channels of one token and head;
 * `channel` groups neighbouring tokens of one channel (KIVI keys).
 */
export type Axis = "token" | "channel";

/** Numbers in a group; `"head"` is all channels of one head (axis token only). */
export type GroupSize = number | "head";

/**
 * Rotation of the head vector before quantization, undone after decoding: none, Hadamard, or an asset `[kvHeads, headSize,
 * headSize]` in float32 whose columns are the new axes, `y_j = sum_i x_i R[head, i, j]`.
 */
export type Transform = "none" | "hadamard" | (string & {});

/**
 * How a group stores its scale and minimum: in float16, or in 8 bits each under 16-bit units. The units are shared by a block
 * on axis token, and by a channel of a block on axis channel.
 */
export type ParameterForm = "float16" | "two-level";

/**
 * What a `clip` is a share of. `range`: codes span that share of the group's range, about its middle (symmetric: of its largest
 * magnitude). `magnitude`: numbers are cut at the magnitude that the share of the head vector does not exceed (OSCAR, axis
 * token only).
 */
export type ClipRule = "range" | "magnitude";

/** Integer codes in groups. Each group has a 16-bit scale and, for the format `affine`, a 16-bit minimum. */
export interface AffineScheme {
  readonly kind: "affine";
  readonly bits: Bits;
  readonly format: Format;
  readonly axis: Axis;
  readonly groupSize: GroupSize;
  /** Tokens encoded together; a multiple of `groupSize` on axis channel. */
  readonly blockSize: number;
  readonly transform: Transform;
  /**
   * Signs of the channels before the Hadamard transform, `none` by default: a seed, or an asset `[kvHeads, headSize]` of 1 and
   * -1 in float32.
   */
  readonly signs?: "none" | number | (string & {});
  /** `float16` by default. */
  readonly parameters?: ParameterForm;
  /** Share of what the codes span, above 0; 1 by default. What lies outside is coded as the nearest code. */
  readonly clip?: number;
  /** `range` by default. */
  readonly clipRule?: ClipRule;
}

/** Integer codes in groups: the paper's two modes, KIVI, `compact`. */
export const affineFormat: CodecFormat<AffineScheme> = {
  kind: "affine",
  fields: {
    bits: CODE_BITS,
    format: ["affine", "symmetric"],
    axis: ["token", "channel"],
    groupSize: ["count", "head"],
    blockSize: ["count"],
    transform: ["none", "hadamard", "asset"],
    signs: ["none", "count", "asset"],
    parameters: ["float16", "two-level"],
    clip: ["share"],
    clipRule: ["range", "magnitude"],
  },
  defaults: { signs: "none", parameters: "float16", clip: 1, clipRule: "range" },
  bits: ({ bits }) => bits,
  blockTokens: ({ blockSize }) => blockSize,
  label: ({ bits, format, axis, groupSize, blockSize, transform, ...others }) =>
    `${bits}-bit ${format}, axis ${axis}, group ${groupSize}, block ${blockSize}, transform ${transform}${othersLabel(others)}`,
  layout: (scheme, place) => {
    const { codeBytes, groups, units } = rowSizes(scheme, place);
    const isTwoLevel = scheme.parameters === "two-level";
    const isAffine = scheme.format === "affine";
    const codes: Part = { name: "codes", dtype: "uint8", elements: codeBytes };
    const scales: Part = { name: "scales", dtype: isTwoLevel ? "uint8" : "float16", elements: groups };
    const scaleUnits: Part = { name: "scaleUnits", dtype: "float16", elements: units };
    return [
      codes,
      scales,
      ...(isAffine ? [{ ...scales, name: "minima" }] : []),
      ...(isTwoLevel ? [scaleUnits] : []),
      ...(isTwoLevel && isAffine ? [{ ...scaleUnits, name: "minimumUnits" }] : []),
    ];
  },
  fault: ({ bits, format, axis, groupSize, blockSize, transform, signs = "none", clipRule }, { headSize }) => {
    if (signs !== "none" && transform !== "hadamard") return `with signs to have transform hadamard, got ${transform}`;
    if (bits === 1 && format === "symmetric") return "of 1 bit to have format affine, got symmetric";
    if (clipRule === "magnitude" && axis === "channel") return "on axis channel to have clipRule range, got magnitude";
    if (axis === "token" && groupSize !== "head" && groupSize > headSize)
      return `on axis token to have a groupSize of at most the head size ${headSize}, got ${groupSize}`;
    if (axis === "channel" && (groupSize === "head" || blockSize % groupSize !== 0))
      return `on axis channel to have a blockSize that is a multiple of its groupSize, got ${blockSize} and ${groupSize}`;
    return undefined;
  },
  assetFault: (_, { kvHeads, headSize }, { transform, signs }) =>
    tableFault("transform", transform, [kvHeads, headSize, headSize], areRotations) ??
    tableFault("signs", signs, [kvHeads, headSize], (numbers) => numbers.every((number) => Math.abs(number) === 1)),
};

const tableFault = (
  field: string,
  asset: Asset | undefined,
  shape: readonly number[],
  isValid: (numbers: Float32Array, headSize: number) => boolean,
): string | undefined => {
  if (!asset) return undefined;
  if (asset.dtype !== "float32" || asset.shape.join() !== shape.join())
    return `with ${field} of float32 [${shape.join(", ")}], got ${asset.name} of ${asset.dtype} [${asset.shape.join(", ")}]`;
  return isValid(asset.data, shape.at(-1)!)
    ? undefined
    : `with ${field} that keep lengths, got ${asset.name} that does not`;
};

const areRotations = (numbers: Float32Array, headSize: number): boolean => {
  const size = headSize * headSize;
  for (let start = 0; start < numbers.length; start += size) {
    const matrix = numbers.subarray(start, start + size);
    if (!areInverse({ forward: matrix, backward: matrix, channels: headSize })) return false;
  }
  return true;
};

const othersLabel = ({
  signs = "none",
  parameters = "float16",
  clip = 1,
  clipRule = "range",
}: Pick<AffineScheme, "signs" | "parameters" | "clip" | "clipRule">): string =>
  [
    signs === "none" ? "" : `, signs ${signs}`,
    parameters === "float16" ? "" : `, ${parameters} parameters`,
    clip < 1 ? `, ${clipRule} clip ${clip}` : "",
  ].join("");

/** The codes of one token (axis token), or of one group of one channel (axis channel), fill whole bytes. */
const rowSizes = ({ bits, axis, groupSize, blockSize }: AffineScheme, { tokens, headSize }: Place) => {
  const blocks = Math.ceil(tokens / blockSize);
  const bytesOf = (numbers: number): number => Math.ceil((numbers * bits) / 8);
  if (axis === "token") {
    const groups = groupSize === "head" ? 1 : Math.ceil(headSize / groupSize);
    return { codeBytes: tokens * bytesOf(headSize), groups: tokens * groups, units: blocks };
  }
  const group = groupSize as number;
  const last = tokens % group;
  const codeBytes = headSize * (Math.floor(tokens / group) * bytesOf(group) + bytesOf(last));
  return { codeBytes, groups: headSize * Math.ceil(tokens / group), units: headSize * blocks };
};
