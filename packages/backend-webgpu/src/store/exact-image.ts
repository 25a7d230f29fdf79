import type { BlockWords } from "./block-image.ts";
import { type ExactTiles } from "./region.ts";
import { packedTokens, type TensorFormat, TILE_TOKENS } from "./tensor-format.ts";

/** 16-bit rows of one head, in CPU memory. */
export interface ExactPlace {
  readonly format: TensorFormat;
  readonly tiles: ExactTiles;
  readonly kvHeads: number;
  readonly head: number;
  readonly length: number;
  /** Words of the buffer of exact rows; empty without exact rows. */
  readonly exact: Uint32Array;
  /** All rows after the sinks of a 16-bit tensor. */
  readonly blocks: readonly BlockWords[];
}

/** Reads the float16 bits `[tokens, headSize]` of all exact tokens, oldest first. */
export const exactImage = (place: ExactPlace): Uint16Array => {
  const { headSize } = place.format;
  const rows = new Uint16Array(exactTokens(place) * headSize);
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

const exactTokens = ({ format, length }: ExactPlace): number =>
  format.isCoded ? length - packedTokens(format, length) : length;

const eachHalf = (place: ExactPlace, visit: (halves: Uint16Array, at: number, index: number) => void): void => {
  const { format, length } = place;
  const { headSize, stride, sinks } = format;
  const sinkTokens = Math.min(sinks, length);
  const skipped = format.isCoded ? packedTokens(format, length) : 0;
  for (let row = 0; row < exactTokens(place); row++) {
    const { words, start } = row < sinkTokens ? sinkRow(place, row) : rowBehindSinks(place, row - sinkTokens + skipped);
    const halves = new Uint16Array(words.buffer, words.byteOffset, 2 * words.length);
    for (let channel = 0; channel < headSize; channel++)
      visit(halves, 2 * (start + (channel >> 1) * stride) + (channel & 1), row * headSize + channel);
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
  const { block, words } = place.blocks.find((held) => token < held.block.first + held.block.tokens)!;
  return { words, start: rowStart(place, block.tokens / TILE_TOKENS, token - block.first) };
};

const rowStart = ({ format, head }: ExactPlace, slots: number, token: number): number => {
  const words = format.headSize / 2;
  const inTile = token % TILE_TOKENS;
  return (head * slots * TILE_TOKENS + token - inTile) * words + inTile * (format.kind === "key" ? 1 : words);
};
