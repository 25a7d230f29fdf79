import { kernelScheme } from "@kvtuner/backend";
import type { LayerScheme } from "@kvtuner/plan";
import { type ReadFormat, rowWords } from "../kernels/attend-kernel.ts";

/** Tokens of a tile: lanes of a workgroup. */
export const TILE_TOKENS = 64;

/** Layout of the keys or values of one layer. Tokens are counted after the sinks. */
export interface TensorFormat extends ReadFormat {
  readonly kind: "key" | "value";
  readonly headSize: number;
  readonly isAffine: boolean;
  readonly isRotated: boolean;
  /** Groups of a row on axis token. */
  readonly groups: number;
  /** Groups have 16 << groupShift numbers. */
  readonly groupShift: number;
  /** Of the prefix rule; 16-bit tensors are one prefix in blocks of one token. */
  readonly block: number;
  readonly recent: number;
  readonly sinks: number;
  readonly rowWords: number;
  /** Words from one word of a row to the next: keys have the words of a tile's tokens side by side, values their rows. */
  readonly stride: number;
}

/** The format of a layer's keys or values. */
export const tensorFormat = (kind: "key" | "value", layer: LayerScheme, headSize: number): TensorFormat => {
  const scheme = layer[kind];
  const { isCoded, bits, isChannel, groupSize, hasMinima, isRotated, blockSize } = kernelScheme(scheme, headSize);
  const { sinks, recent } = layer.residency;
  const isWholeHead = scheme.kind !== "affine" || scheme.groupSize === "head";
  return {
    kind,
    headSize,
    isCoded,
    bits,
    isChannel,
    isAffine: hasMinima,
    isRotated,
    groups: isChannel ? 1 : Math.ceil(headSize / groupSize),
    groupShift: isWholeHead ? WHOLE_HEAD : Math.log2(groupSize / 16),
    block: blockSize,
    recent: isCoded ? recent : 0,
    sinks,
    rowWords: rowWords(bits, headSize),
    stride: kind === "key" ? TILE_TOKENS : 1,
  };
};

/** A shift that leaves nothing: all units are in group 0. */
const WHOLE_HEAD = 31;

/** Numbers in a group on axis channel: tokens. */
export const groupTokens = ({ groupShift }: TensorFormat): number => 16 << groupShift;

/** Tokens behind the sinks that a block holds at a length of the cache. */
export const packedTokens = ({ isCoded, block, recent, sinks }: TensorFormat, length: number): number => {
  const behind = Math.max(0, length - sinks);
  return isCoded ? block * Math.floor(Math.max(0, behind - recent) / block) : behind;
};

/** Parameters of one head in a block of so many tokens. */
export const headParameters = (format: TensorFormat, tokens: number): number => {
  if (!format.isCoded) return 0;
  return format.isChannel ? (tokens / groupTokens(format)) * format.headSize : tokens * format.groups;
};

/** Words of a block of so many tokens, a multiple of 128: codes, then parameters. */
export const blockWords = (format: TensorFormat, kvHeads: number, tokens: number): number =>
  kvHeads * (tokens * format.rowWords + headParameters(format, tokens) / (format.isAffine ? 1 : 2));

/** The same as rows of 16 bits. */
export const exactFormat = (format: TensorFormat): TensorFormat => ({
  ...format,
  isCoded: false,
  bits: 16,
  isChannel: false,
  isRotated: false,
  rowWords: format.headSize / 2,
});
