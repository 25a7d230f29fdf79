/** Bits of one channel's code in a word of its row. */
interface CodePart {
  readonly word: number;
  readonly shift: number;
  readonly mask: number;
  /** Place in the code. */
  readonly up: number;
}

/** Where the codes of each channel are in a row, as `kernels/codes.wgsl` reads them. */
export type CodePlanes = readonly (readonly CodePart[])[];

/** Places of all channels' codes of 2, 3, 4 or 8 bits. */
export const codePlanes = (bits: number, headSize: number): CodePlanes =>
  Array.from({ length: headSize }, (_, channel) => partsOf(bits, headSize, channel >> 2, channel & 3));

const partsOf = (bits: number, headSize: number, quad: number, lane: number): CodePart[] => {
  if (bits === 3)
    return [
      { word: quad >> 2, shift: 8 * lane + 2 * (quad & 3), mask: 3, up: 0 },
      { word: headSize / 16 + (quad >> 3), shift: 8 * lane + (quad & 7), mask: 1, up: 2 },
    ];
  const quads = 8 / bits;
  return [{ word: Math.floor(quad / quads), shift: 8 * lane + bits * (quad % quads), mask: 2 ** bits - 1, up: 0 }];
};

/** The code of a channel in the row that starts at `row`, with `stride` words from one of its words to the next. */
export const readCode = (words: Uint32Array, row: number, stride: number, parts: readonly CodePart[]): number => {
  let code = 0;
  for (const { word, shift, mask, up } of parts) code |= ((words[row + word * stride]! >>> shift) & mask) << up;
  return code;
};

/** Puts a code into a row of zeros. */
export const writeCode = (
  words: Uint32Array,
  row: number,
  stride: number,
  parts: readonly CodePart[],
  code: number,
): void => {
  for (const { word, shift, mask, up } of parts) words[row + word * stride]! |= ((code >> up) & mask) << shift;
};
