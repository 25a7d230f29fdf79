import type { SchemeAssets } from "../asset.ts";
import { BLOCK_FORMAT_NAMES, BLOCK_FORMATS, type BlockFormatName } from "./block-formats.ts";
import type { CodecFormat, Heads, Place } from "./codec-format.ts";

/** Numbers in the format of another runtime, as it stores them. For evaluation, advice and export. */
export interface BlockFormatScheme {
  readonly kind: "block-format";
  readonly format: BlockFormatName;
  /**
   * llama.cpp's Hadamard rotation of each head, for ggml's formats: by the largest matrix of size 64 * 2^k that divides the head
   * (`keys`), or by matrices of size 64 (`values`). Heads whose size is not a multiple of 64 are not rotated.
   */
  readonly rotation: "none" | "keys" | "values";
  /**
   * Fixed scales, for formats that have some: numbers, or a float32 asset. `nvfp4` takes one; ONNX Runtime's formats take one,
   * or one for each channel of each KV head, `[kvHeads, headSize]`.
   */
  readonly scales: string | readonly number[];
  /** Tokens encoded together. */
  readonly blockSize: number;
}

/** Groups of numbers, each in a few bytes: its parameters and codes, in the order of the runtime. */
export const blockFormat: CodecFormat<BlockFormatScheme> = {
  kind: "block-format",
  fields: {
    format: BLOCK_FORMAT_NAMES,
    rotation: ["none", "keys", "values"],
    scales: ["none", "numbers", "asset"],
    blockSize: ["count"],
  },
  bits: ({ format }) => BLOCK_FORMATS[format].bits,
  blockTokens: ({ blockSize }) => blockSize,
  label: ({ format, rotation, scales, blockSize }) => {
    const rotated = rotation === "none" ? "" : `, rotated as ${rotation}`;
    const scaled = scales === "none" ? "" : ", fixed scales";
    return `${format}${rotated}${scaled}, block ${blockSize}`;
  },
  layout: ({ format }, place) => [{ name: "blocks", dtype: "uint8", elements: blockBytes(format, place) }],
  fault: (scheme, heads) => groupFault(scheme, heads) ?? rotationFault(scheme) ?? scalesFault(scheme, heads),
  assetFault: ({ format, scales }, heads, assets) => assetFault(format, scales, heads, assets),
};

/** Numbers in a group of a format, and its bytes. */
export const blockGroup = (
  format: BlockFormatName,
  headSize: number,
): { readonly numbers: number; readonly bytes: number } => {
  const { bits, numbers, parameterBytes } = BLOCK_FORMATS[format];
  const count = numbers === "head" ? headSize : numbers;
  return { numbers: count, bytes: parameterBytes + Math.ceil((count * bits) / 8) };
};

const blockBytes = (format: BlockFormatName, { tokens, headSize }: Place): number => {
  const { numbers, bytes } = blockGroup(format, headSize);
  return Math.ceil((tokens * headSize) / numbers) * bytes;
};

const groupFault = ({ format, blockSize }: BlockFormatScheme, { headSize }: Heads): string | undefined => {
  const { along } = BLOCK_FORMATS[format];
  const { numbers } = blockGroup(format, headSize);
  const [what, count] = {
    token: ["head size", headSize],
    tokens: ["blockSize times the head size", blockSize * headSize],
    channel: ["blockSize", blockSize],
  }[along] as [string, number];
  return count % numbers === 0
    ? undefined
    : `for format ${format} to have a multiple of ${numbers} as its ${what}, got ${count}`;
};

const rotationFault = ({ format, rotation }: BlockFormatScheme): string | undefined =>
  rotation === "none" || BLOCK_FORMATS[format].rotates
    ? undefined
    : `for format ${format} to have rotation none, got ${rotation}`;

const scalesFault = ({ format, scales }: BlockFormatScheme, heads: Heads): string | undefined => {
  const { fixedScales } = BLOCK_FORMATS[format];
  if (fixedScales === "none") return scales === "none" ? undefined : `for format ${format} to have scales none`;
  if (scales === "none") return `for format ${format} to have fixed scales, got none`;
  return typeof scales === "string" ? undefined : countFault(format, scales.length, heads);
};

const countFault = (format: BlockFormatName, got: number, { kvHeads, headSize }: Heads): string | undefined => {
  const channels = BLOCK_FORMATS[format].fixedScales === "tensor or channel" ? kvHeads * headSize : 1;
  if (got === 1 || got === channels) return undefined;
  return `for format ${format} to have ${channels === 1 ? "one scale" : `1 or ${channels} scales`}, got ${got}`;
};

const assetFault = (
  format: BlockFormatName,
  name: BlockFormatScheme["scales"],
  heads: Heads,
  { scales }: SchemeAssets,
): string | undefined => {
  if (scales === undefined) return undefined;
  if (scales.dtype !== "float32") return `to have float32 scales ${String(name)}, got ${scales.dtype}`;
  const unfit = scales.data.find((scale) => !(scale > 0 && scale < Infinity));
  if (unfit !== undefined) return `to have positive scales ${String(name)}, got ${unfit}`;
  return countFault(format, scales.data.length, heads);
};

/** Hugging Face quantizes once 64 tokens are there, the size of its groups; the others each token. */
const blockSizeOf = (format: BlockFormatName): number => {
  const { along, numbers } = BLOCK_FORMATS[format];
  return along === "token" || numbers === "head" ? 1 : numbers;
};

/** What a format leaves open, if not its default. */
export type BlockFormatOptions = Partial<Pick<BlockFormatScheme, "rotation" | "scales" | "blockSize">>;

/**
 * The scheme of a format, as its runtime uses it.
 *
 * @param options llama.cpp's `rotation` (none by default); fixed `scales` (1 by default, for formats that have some)
 */
export const blockFormatScheme = (format: BlockFormatName, options: BlockFormatOptions = {}): BlockFormatScheme => ({
  kind: "block-format",
  format,
  rotation: "none",
  scales: BLOCK_FORMATS[format].fixedScales === "none" ? "none" : [1],
  blockSize: blockSizeOf(format),
  ...options,
});
