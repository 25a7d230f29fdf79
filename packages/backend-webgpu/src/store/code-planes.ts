/** A field of bits that belong to one channel's code. */
interface CodePart {
  readonly word: number;
  readonly shift: number;
  readonly mask: number;
  /** Left shift within the code. */
  readonly up: number;
}

/** Fields of each channel's code in a row, in the layout of `kernels/codes.wgsl`. */
export type CodePlanes = readonly (readonly CodePart[])[];

/** Fields of all channels for codes of 2, 3, 4 or 8 bits. */
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

/** Reads the code of a channel from the row at `row`, whose words are `stride` words apart. */
export const readCode = (words: Uint32Array, row: number, stride: number, parts: readonly CodePart[]): number => {
  let code = 0;
  for (const { word, shift, mask, up } of parts) code |= ((words[row + word * stride]! >>> shift) & mask) << up;
  return code;
};

/** Writes a code into a row of zeros. */
export const writeCode = (
  words: Uint32Array,
  row: number,
  stride: number,
  parts: readonly CodePart[],
  code: number,
): void => {
  for (const { word, shift, mask, up } of parts) words[row + word * stride]! |= ((code >> up) & mask) << shift;
};
