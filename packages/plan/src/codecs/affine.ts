import type { CodecFormat, Part, Place } from "./codec-format.ts";

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

/** Rotation of the head vector before quantization, undone after decoding. */
export type Transform = "none" | "hadamard";

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
    transform: ["none", "hadamard"],
    clip: ["share"],
    clipRule: ["range", "magnitude"],
  },
  defaults: { clip: 1, clipRule: "range" },
  bits: ({ bits }) => bits,
  blockTokens: ({ blockSize }) => blockSize,
  label: ({ bits, format, axis, groupSize, blockSize, transform, clip = 1, clipRule = "range" }) =>
    `${bits}-bit ${format}, axis ${axis}, group ${groupSize}, block ${blockSize}, transform ${transform}${clip < 1 ? `, ${clipRule} clip ${clip}` : ""}`,
  layout: (scheme, place) => {
    const { codeBytes, groups } = rowSizes(scheme, place);
    const codes: Part = { name: "codes", dtype: "uint8", elements: codeBytes };
    const scales: Part = { name: "scales", dtype: "float16", elements: groups };
    return scheme.format === "affine" ? [codes, scales, { ...scales, name: "minima" }] : [codes, scales];
  },
  fault: ({ bits, format, axis, groupSize, blockSize, clipRule }, { headSize }) => {
    if (bits === 1 && format === "symmetric") return "of 1 bit to have format affine, got symmetric";
    if (clipRule === "magnitude" && axis === "channel") return "on axis channel to have clipRule range, got magnitude";
    if (axis === "token" && groupSize !== "head" && groupSize > headSize)
      return `on axis token to have a groupSize of at most the head size ${headSize}, got ${groupSize}`;
    if (axis === "channel" && (groupSize === "head" || blockSize % groupSize !== 0))
      return `on axis channel to have a blockSize that is a multiple of its groupSize, got ${blockSize} and ${groupSize}`;
    return undefined;
  },
};

/** The codes of one token (axis token), or of one group of one channel (axis channel), fill whole bytes. */
const rowSizes = ({ bits, axis, groupSize }: AffineScheme, { tokens, headSize }: Place) => {
  const bytesOf = (numbers: number): number => Math.ceil((numbers * bits) / 8);
  if (axis === "token") {
    const groups = groupSize === "head" ? 1 : Math.ceil(headSize / groupSize);
    return { codeBytes: tokens * bytesOf(headSize), groups: tokens * groups };
  }
  const group = groupSize as number;
  const last = tokens % group;
  const codeBytes = headSize * (Math.floor(tokens / group) * bytesOf(group) + bytesOf(last));
  return { codeBytes, groups: headSize * Math.ceil(tokens / group) };
};
