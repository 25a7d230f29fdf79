import type { TransformToken } from "@kvtuner/quantizers";
import type { TransformRows } from "./transform-rows.ts";

/** Writes a token's gain and codes into a row of zeros from word `start` on. */
export const writeTransformRow = (
  { gainBits }: TransformRows,
  { tables, gain, codes }: TransformToken,
  words: Uint32Array,
  start: number,
): void => {
  let bit = 32 * start;
  writeField(words, bit, gain);
  bit += gainBits;
  for (const [channel, width] of tables.widths.entries()) {
    writeField(words, bit, codes[channel]!);
    bit += width;
  }
};

/** Reads the result of {@link writeTransformRow} into a token. */
export const readTransformRow = (
  { gainBits }: TransformRows,
  token: TransformToken,
  words: Uint32Array,
  start: number,
): void => {
  let bit = 32 * start;
  token.gain = readField(words, bit, gainBits);
  bit += gainBits;
  for (const [channel, width] of token.tables.widths.entries()) {
    token.codes[channel] = readField(words, bit, width);
    bit += width;
  }
};

/** Sets up to 16 bits, which may reach into the next word. */
const writeField = (words: Uint32Array, bit: number, field: number): void => {
  const [word, shift] = [bit >>> 5, bit & 31];
  if (field === 0) return;
  words[word]! |= field << shift;
  if (shift > 16) words[word + 1]! |= field >>> (32 - shift);
};

const readField = (words: Uint32Array, bit: number, width: number): number => {
  if (width === 0) return 0;
  const [word, shift] = [bit >>> 5, bit & 31];
  const upper = shift + width > 32 ? words[word + 1]! << (32 - shift) : 0;
  return ((words[word]! >>> shift) | upper) & (2 ** width - 1);
};
