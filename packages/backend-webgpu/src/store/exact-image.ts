import { TILE_TOKENS } from "../kernels/tile.ts";
import { blockOf, type WordsCycle } from "./block-image.ts";
import { type ExactTiles } from "./region.ts";
import { firstBehind, heldAt, packedTokens, type TensorFormat } from "./tensor-format.ts";

/** 16-bit rows of one head, in CPU memory. */
export interface ExactPlace extends WordsCycle {
  readonly format: TensorFormat;
  readonly tiles: ExactTiles;
  readonly kvHeads: number;
  readonly head: number;
  readonly length: number;
  /** Words of the buffer of exact rows; empty without exact rows. */
  readonly exact: Uint32Array;
}

/** Reads the float16 bits `[tokens, headSize]` of all exact tokens, oldest first. */
export const exactImage = (place: ExactPlace): Uint16Array => {
  const { headSize } = place.format;
  const rows = new Uint16Array(heldAt(place.format, place.length).exact * headSize);
  eachHalf(place, (halves, at, index) => {
    rows[index] = halves[at]!;
  });
  return rows;
};

/** Writes the result of {@link exactImage}. */
export const restoreExact = (place: ExactPlace, rows: Uint16Array): void =>
  eachHalf(place, (halves, at, index) => {
    halves[at] = rows[index]!;
  });

const eachHalf = (place: ExactPlace, visit: (halves: Uint16Array, at: number, index: number) => void): void => {
  const { format, length } = place;
  const { headSize, stride, sinks } = format;
  const { first, exact } = heldAt(format, length);
  const sinkTokens = Math.max(0, Math.min(sinks, length) - first);
  const start = Math.max(format.isCoded ? packedTokens(format, length) : 0, firstBehind(format, length));
  for (let row = 0; row < exact; row++) {
    const { words, start: at } =
      row < sinkTokens ? sinkRow(place, first + row) : rowBehindSinks(place, start + row - sinkTokens);
    const halves = new Uint16Array(words.buffer, words.byteOffset, 2 * words.length);
    for (let channel = 0; channel < headSize; channel++)
      visit(halves, 2 * (at + (channel >> 1) * stride) + (channel & 1), row * headSize + channel);
  }
};

/** The words that hold a row, and the index of the first. */
interface Row {
  readonly words: Uint32Array;
  readonly start: number;
}

const sinkRow = (place: ExactPlace, token: number): Row => ({
  words: place.exact,
  start: rowStart(place, place.tiles.ring + place.tiles.sinks, token + place.tiles.ring * TILE_TOKENS),
});

const rowBehindSinks = (place: ExactPlace, token: number): Row => {
  const { tiles, exact, format } = place;
  if (format.isCoded)
    return { words: exact, start: rowStart(place, tiles.ring + tiles.sinks, token % (tiles.ring * TILE_TOKENS)) };
  const { block, words, place: inBlock } = blockOf(place, token);
  return { words, start: rowStart(place, block.tokens / TILE_TOKENS, inBlock) };
};

const rowStart = ({ format, head }: ExactPlace, slots: number, token: number): number => {
  const words = format.headSize / 2;
  const inTile = token % TILE_TOKENS;
  return (head * slots * TILE_TOKENS + token - inTile) * words + inTile * (format.kind === "key" ? 1 : words);
};
