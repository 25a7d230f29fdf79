import { hadamardInPlace, type Rope, type TransformTables } from "@kvtuner/quantizers";
import { TILE_TOKENS } from "../kernels/tile.ts";
import type { TransformFormat } from "./transform-format.ts";

/** What kernels need to know about a tensor of the codec `transform`, in the layout of `kernels/transform-tables.wgsl`. */
export interface TensorTables {
  readonly words: Uint32Array<ArrayBuffer>;
  /** Words of a KV head's channels, mean and matrix, which follow each other. */
  readonly headWords: number;
}

/** Words before those of the first KV head. */
export const HEADER_WORDS = 24;
const GAINS_START = 8;
const LOG_GAINS = Float32Array.from({ length: 16 }, (_, place) => 2 ** ((place - 8) / 4));

const CHANNEL_WORDS = 4;

/** Digits of a tile's number, to the base 64. */
const DIGITS = 3;
const DIGIT = 64;

/**
 * @param start word of the tables in the layer's buffer
 * @param sinks position of the first token after the sinks
 */
export const tensorTables = (format: TransformFormat, start: number, sinks: number): TensorTables => {
  const { heads, hasMatrix, gainBits } = format;
  const { headSize, rope } = heads[0]!.tables;
  const headWords = (CHANNEL_WORDS + 1) * headSize + (hasMatrix ? headSize ** 2 : 0);
  const ends = levelEnds(heads.map(({ tables }) => tables.levels.length));
  const levelsStart = HEADER_WORDS + heads.length * headWords;
  const ropeStart = levelsStart + ends.at(-1)!;
  const words = new Uint32Array(ropeStart + (rope ? ropeWords(rope) : 0));
  const floats = new Float32Array(words.buffer);
  const places = rope?.pairing === "neighbours" ? [2, 1] : [1, rope?.frequencies.length ?? 0];
  words.set([rope?.frequencies.length ?? 0, ...places, start + ropeStart, start + HEADER_WORDS, gainBits]);
  floats.set(LOG_GAINS, GAINS_START);
  for (const [head, { tables }] of heads.entries()) {
    const at = HEADER_WORDS + head * headWords;
    const levels = levelsStart + (ends[head - 1] ?? 0);
    writeChannels({ words, floats }, tables, gainBits, { at, levels, start });
    if (tables.mean) floats.set(tables.mean, at + CHANNEL_WORDS * headSize);
    if (hasMatrix) floats.set(matrixOf(tables), at + (CHANNEL_WORDS + 1) * headSize);
  }
  if (rope) writeRope(floats.subarray(ropeStart), rope, sinks);
  return { words, headWords };
};

const levelEnds = (counts: readonly number[]): number[] => {
  let end = 0;
  return counts.map((count) => (end += count));
};

interface Places {
  /** Word of the KV head. */
  readonly at: number;
  /** Word of its levels. */
  readonly levels: number;
  readonly start: number;
}

/** Of each channel of `z`: first bit of its code, width, word of its levels, factor. Levels have the factor; float16 codes do not. */
const writeChannels = (
  { words, floats }: { readonly words: Uint32Array; readonly floats: Float32Array },
  { places, widths, rotation, levels: numbers, starts }: TransformTables,
  gainBits: number,
  { at, levels, start }: Places,
): void => {
  let bit = gainBits;
  for (const [channel, width] of widths.entries()) {
    const place = at + CHANNEL_WORDS * places[channel]!;
    const factor = rotation.kind === "diagonal" ? rotation.backward[channel]! : 1;
    words.set([bit, width, start + levels + starts[channel]!], place);
    floats[place + 3] = factor;
    const own = width === 16 ? 0 : 2 ** width * Number(width > 0);
    for (let code = starts[channel]!; code < starts[channel]! + own; code++)
      floats[levels + code] = numbers[code]! * factor;
    bit += width;
  }
};

/** Row-major `[headSize, headSize]`: numbers from the channels of `z` at their places. */
const matrixOf = ({ rotation, headSize, places }: TransformTables): Float32Array => {
  const matrix = new Float32Array(headSize ** 2);
  for (const [channel, place] of places.entries()) {
    if (rotation.kind === "matrix")
      matrix.set(rotation.backward.subarray(channel * headSize, (channel + 1) * headSize), place * headSize);
    if (rotation.kind !== "hadamard") continue;
    matrix[place * headSize + place] = 1;
    hadamardInPlace(matrix, place * headSize, headSize);
    for (const [index, sign] of rotation.signs?.entries() ?? []) matrix[place * headSize + index]! *= sign;
  }
  return matrix;
};

const ropeWords = ({ frequencies }: Rope): number => 2 * frequencies.length * (TILE_TOKENS + DIGITS * DIGIT);

/** Cosine and sine of each pair: `[pairs, 64]` of a token in its tile, then `[3, 64, pairs]` of the digits of a tile's number. */
const writeRope = (numbers: Float32Array, { frequencies }: Rope, sinks: number): void => {
  const pairs = frequencies.length;
  for (let pair = 0; pair < pairs; pair++) {
    const write = (place: number, tokens: number): void => {
      numbers[2 * place] = Math.cos(tokens * frequencies[pair]!);
      numbers[2 * place + 1] = Math.sin(tokens * frequencies[pair]!);
    };
    for (let token = 0; token < TILE_TOKENS; token++) write(pair * TILE_TOKENS + token, token);
    for (let row = 0; row < DIGITS * DIGIT; row++) {
      const tile = (row % DIGIT) * DIGIT ** Math.floor(row / DIGIT);
      write(pairs * (TILE_TOKENS + row) + pair, tile * TILE_TOKENS + (row < DIGIT ? sinks : 0));
    }
  }
};
