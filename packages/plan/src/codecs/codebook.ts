import type { Asset } from "../asset.ts";
import type { CodecFormat, Heads, Part, Place } from "./codec-format.ts";
import { ropeAssetFault, ropeFault, type RopeFields } from "./rope-fields.ts";

/** Widths of a code of a codebook, in bits. */
export const CODEBOOK_BITS = [1, 2, 3, 4, 5, 6, 8] as const;

/** Non-uniform levels from a table, with a share of sparse 16-bit outliers: KVQuant (arXiv 2401.18079). */
export interface CodebookScheme extends RopeFields {
  readonly kind: "codebook";
  readonly bits: (typeof CODEBOOK_BITS)[number];
  /** Asset: float32 `[2^bits]`, ascending, from -1 to 1. */
  readonly levels: string;
  /**
   * What the levels are multiplied by and added to. `dynamic`: a scale and an offset for each token of a KV head, stored
   * beside the codes. Otherwise an asset, float32 `[kvHeads, 2, headSize]`: the scales and the offsets of each channel.
   */
  readonly scales: string;
  /** Share of a block's numbers that are kept in 16 bits, rounded up to a whole number. */
  readonly outliers: 0 | 0.001 | 0.01;
  /** Tokens encoded together, which share their outliers. */
  readonly blockSize: number;
}

/** Codes of table levels, stored token by token, and a fixed number of outliers in each block of tokens of a KV head. */
export const codebookFormat: CodecFormat<CodebookScheme> = {
  kind: "codebook",
  fields: {
    bits: CODEBOOK_BITS,
    levels: ["asset"],
    scales: ["dynamic", "asset"],
    outliers: [0, 0.001, 0.01],
    stage: ["as-given", "before-rope"],
    frequencies: ["none", "asset"],
    pairing: ["none", "halves", "neighbours"],
    blockSize: ["count"],
  },
  bits: ({ bits }) => bits,
  blockTokens: ({ blockSize }) => blockSize,
  label: ({ bits, scales, outliers, stage, blockSize }) =>
    `${bits}-bit codebook, ${scales === "dynamic" ? "dynamic scales per token" : "fixed scales per channel"}, ` +
    `${outliers * 100}% outliers, ${stage}, block ${blockSize}`,
  layout: (scheme, place) => {
    const { tokens, headSize } = place;
    const codes: Part = { name: "codes", dtype: "uint8", elements: tokens * Math.ceil((headSize * scheme.bits) / 8) };
    const scales: Part = { name: "scales", dtype: "float16", elements: tokens };
    const outliers: Part = { name: "outliers", dtype: "float16", elements: outliersOf(scheme, place) };
    return [
      codes,
      ...(scheme.scales === "dynamic" ? [scales, { ...scales, name: "offsets" }] : []),
      ...(scheme.outliers > 0
        ? [outliers, { name: "places", dtype: "uint8" as const, elements: 2 * outliers.elements }]
        : []),
    ];
  },
  fault: (scheme, { headSize }) => {
    if (scheme.outliers > 0 && scheme.blockSize * headSize > PLACES)
      return `with outliers to have at most ${PLACES} numbers in a block, got ${scheme.blockSize} tokens of ${headSize}`;
    return ropeFault(scheme);
  },
  assetFault: (scheme, heads, { levels, scales, frequencies }) =>
    levelsFault(levels!, scheme) ?? (scales && scalesFault(scales, heads)) ?? ropeAssetFault(frequencies, heads),
};

/** Two bytes say where an outlier is. */
const PLACES = 2 ** 16;

const outliersOf = ({ outliers, blockSize }: CodebookScheme, { tokens, headSize }: Place): number =>
  Math.ceil(tokens / blockSize) * outliersInBlock(outliers, blockSize * headSize);

/** Outliers of a block of so many numbers. Rounding the product keeps 0.01 * 100 at 1. */
const outliersInBlock = (share: number, numbers: number): number => Math.ceil(Number((share * numbers).toFixed(6)));

const levelsFault = ({ name, dtype, shape, data }: Asset, { bits }: CodebookScheme): string | undefined => {
  if (dtype !== "float32" || shape.length !== 1 || shape[0] !== 2 ** bits)
    return `to have levels of float32 [${2 ** bits}], got ${name} of ${dtype} [${shape.join(", ")}]`;
  const wrong = data.findIndex((level, index) => !(level >= (data[index - 1] ?? -1) && level <= 1));
  return wrong < 0
    ? undefined
    : `to have levels from -1 to 1 in ascending order, got ${data[wrong]} at index ${wrong} of ${name}`;
};

const scalesFault = ({ name, dtype, shape, data }: Asset, { kvHeads, headSize }: Heads): string | undefined => {
  if (dtype !== "float32" || shape.join() !== [kvHeads, 2, headSize].join())
    return `to have scales of float32 [${kvHeads}, 2, ${headSize}], got ${name} of ${dtype} [${shape.join(", ")}]`;
  const isScale = (index: number): boolean => Math.floor(index / headSize) % 2 === 0;
  const wrong = data.findIndex((x, index) => !(Math.abs(x) <= LARGEST) || (isScale(index) && x < 0));
  return wrong < 0
    ? undefined
    : `to have scales from 0 and offsets up to ${LARGEST}, got ${data[wrong]} at index ${wrong} of ${name}`;
};

/** The largest float16. */
const LARGEST = 65_504;
