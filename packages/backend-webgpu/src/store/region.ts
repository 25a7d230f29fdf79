import { TILE_TOKENS } from "../kernels/tile.ts";
import type { Block } from "./blocks.ts";
import { headParameters, type TensorFormat } from "./tensor-format.ts";

/** Larger than any tile index: no ring. */
const NO_RING = 0xffff_ffff;

/** The words of struct `Region` in `kernels/region.wgsl`, for a block. */
export const blockRegion = (format: TensorFormat, block: Block, kvHeads: number): number[] => [
  block.tokens / TILE_TOKENS,
  block.first / TILE_TOKENS,
  NO_RING,
  ...(format.transform
    ? [format.tablesStart, format.headWords, format.rowWords, 0, 0]
    : parameterWords(format, block, kvHeads)),
];

const parameterWords = (format: TensorFormat, { tokens }: Block, kvHeads: number): number[] => [
  kvHeads * tokens * format.rowWords,
  headParameters(format, tokens),
  format.groups,
  format.groupShift,
  Number(format.isAffine),
];

/** Sizes in tiles of the buffer of exact rows: a ring for the newest tokens, then the sinks. */
export interface ExactTiles {
  readonly ring: number;
  readonly sinks: number;
}

/** Region of the ring. */
export const ringRegion = ({ ring, sinks }: ExactTiles): number[] => [ring + sinks, 0, ring, 0, 0, 1, 0, 0];

/** Region of the sinks. */
export const sinkRegion = ({ ring, sinks }: ExactTiles): number[] => [ring + sinks, -ring, NO_RING, 0, 0, 1, 0, 0];
