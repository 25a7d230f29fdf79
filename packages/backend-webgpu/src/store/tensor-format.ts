import { type KernelScheme, kernelScheme } from "@kvtuner/backend";
import {
  type HeldTokens,
  heldTokens,
  type LayerScheme,
  quantizedPrefix,
  type Residency,
  type TensorScheme,
} from "@kvtuner/plan";
import { type ReadFormat, rowWords } from "../kernels/attend-kernel.ts";
import { TILE_TOKENS } from "../kernels/tile.ts";
import type { TablePlace } from "../transform/transform-format.ts";

/** Layout of the keys or values of one layer. Tokens are counted after the sinks. */
export interface TensorFormat extends ReadFormat, TablePlace {
  readonly kind: "key" | "value";
  readonly headSize: number;
  readonly isAffine: boolean;
  readonly isRotated: boolean;
  /** Groups per row on axis token. */
  readonly groups: number;
  /** log2(numbers per group) - 4. */
  readonly groupShift: number;
  readonly scheme: TensorScheme;
  readonly residency: Residency;
  /** Tokens that a query reads, its own included; Infinity without a span. */
  readonly span: number;
  /** Tokens of a block in the prefix rule; 1 for 16-bit tensors, which are all prefix. */
  readonly block: number;
  readonly recent: number;
  readonly sinks: number;
  readonly rowWords: number;
  /**
   * Distance in words between consecutive words of a row. Keys interleave the rows of a tile's tokens; values store rows
   * one after another.
   */
  readonly stride: number;
}

export const tensorFormat = (
  kind: "key" | "value",
  layer: LayerScheme,
  headSize: number,
  span: number,
  place: TablePlace = NO_TRANSFORM,
): TensorFormat => {
  const scheme = layer[kind];
  const { isCoded, bits, isChannel, groupSize, hasMinima, isRotated, blockSize } = numbersOf(scheme, headSize);
  const { residency } = layer;
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
    scheme,
    block: blockSize,
    residency,
    span,
    recent: isCoded ? residency.recent : 0,
    sinks: residency.sinks,
    rowWords: place.transform?.rowWords ?? rowWords(bits, headSize),
    stride: kind === "key" ? TILE_TOKENS : 1,
    ...place,
    form: place.transform?.form,
  };
};

const NO_TRANSFORM: TablePlace = { transform: undefined, tablesStart: 0, headWords: 0 };

/** Codes of the codec `transform` have widths of their own. */
const numbersOf = (scheme: TensorScheme, headSize: number): KernelScheme =>
  scheme.kind === "transform"
    ? {
        isCoded: true,
        bits: 0,
        isChannel: false,
        groupSize: headSize,
        hasMinima: false,
        isRotated: false,
        blockSize: scheme.blockSize,
      }
    : kernelScheme(scheme, headSize);

/** A shift that puts all units of a row in group 0. */
const WHOLE_HEAD = 31;

/** Tokens of a group on axis channel. */
export const groupTokens = ({ groupShift }: TensorFormat): number => 16 << groupShift;

/** Tokens in blocks at a cache length, counted after the sinks: those stored as codes, or all of a 16-bit tensor. */
export const packedTokens = ({ isCoded, scheme, residency }: TensorFormat, length: number): number =>
  isCoded ? quantizedPrefix(scheme, { residency }, length) : Math.max(0, length - residency.sinks);

/** Tokens held at a cache length, counted from the first sink. */
export const heldAt = ({ scheme, residency, span }: TensorFormat, length: number): HeldTokens =>
  heldTokens(scheme, { residency }, span, length);

/** A range of tokens `from .. to - 1`, counted after the sinks. */
export interface TokenRange {
  readonly from: number;
  readonly to: number;
}

/** Tokens held as codes at a cache length. */
export const codedTokens = (format: TensorFormat, length: number): TokenRange => {
  const to = format.isCoded ? packedTokens(format, length) : 0;
  return { from: to - heldAt(format, length).coded, to };
};

/** Oldest token after the sinks that is held at a cache length. */
export const firstBehind = (format: TensorFormat, length: number): number =>
  Math.max(0, heldAt(format, length).first - format.sinks);

/** Scales of one head in a block of `tokens` tokens. */
export const headParameters = (format: TensorFormat, tokens: number): number => {
  if (!format.isCoded || format.transform) return 0;
  return format.isChannel ? (tokens / groupTokens(format)) * format.headSize : tokens * format.groups;
};

/** Words of a block: codes, then parameters. `tokens` is a multiple of 128. */
export const blockWords = (format: TensorFormat, kvHeads: number, tokens: number): number =>
  kvHeads * (tokens * format.rowWords + headParameters(format, tokens) / (format.isAffine ? 1 : 2));

/** The same tensor in 16-bit rows. */
export const exactFormat = (format: TensorFormat): TensorFormat => ({
  ...format,
  isCoded: false,
  bits: 16,
  isChannel: false,
  isRotated: false,
  transform: undefined,
  form: undefined,
  rowWords: format.headSize / 2,
});
