import { type HeadImage, readTransformRow, writeTransformRow } from "@kvtuner/backend";
import {
  type AffineBlock,
  emptyBlock,
  loadToken,
  packCodes,
  storeToken,
  type TransformBlock,
  unpackCodes,
} from "@kvtuner/quantizers";
import { TILE_TOKENS } from "../kernels/tile.ts";
import type { TransformFormat } from "../transform/transform-format.ts";
import type { Block, BlockCycle } from "./blocks.ts";
import { codePlanes, readCode, writeCode } from "./code-planes.ts";
import { groupTokens, headParameters, type TensorFormat, type TokenRange } from "./tensor-format.ts";

/** A head's part of a block, in CPU memory. */
export interface BlockWords {
  readonly block: Pick<Block, "first" | "tokens">;
  readonly words: Uint32Array;
}

/** The blocks of a layer in CPU memory. */
export interface WordsCycle extends Pick<BlockCycle, "cycle"> {
  readonly blocks: readonly BlockWords[];
}

/** The block that has a token, and the token's place in it. */
export const blockOf = ({ blocks, cycle }: WordsCycle, token: number): BlockWords & { readonly place: number } => {
  const inCycle = token % cycle;
  const found = blocks.find(({ block }) => inCycle < block.first + block.tokens)!;
  return { ...found, place: inCycle - found.block.first };
};

/** Place of the codes and parameters of some tokens of one head in a layer's blocks. */
export interface HeadPlace extends WordsCycle {
  readonly format: TensorFormat;
  readonly kvHeads: number;
  readonly head: number;
  readonly coded: TokenRange;
}

/** Reads a head's codes and parameters in the snapshot's order. */
export const prefixImage = (place: HeadPlace): HeadImage["prefix"] => {
  const { format, coded } = place;
  const tokens = coded.to - coded.from;
  if (format.transform) return transformImage(place, format.transform);
  const image = emptyBlock(tokens, format.headSize, format.scheme) as AffineBlock;
  const codes = new Uint8Array(tokens * format.headSize);
  eachCode(place, (words, row, parts, index) => {
    codes[index] = readCode(words, row, format.stride, parts);
  });
  eachParameter(place, (halves, at, index) => {
    image.scales[index] = halves[at]!;
    if (image.minima) image.minima[index] = halves[at + 1]!;
  });
  image.codes.set(packCodes(codes, format.bits));
  return image;
};

/** Writes the result of {@link prefixImage} into zeroed blocks. */
export const restorePrefix = (place: HeadPlace, prefix: HeadImage["prefix"]): void => {
  const { format, coded } = place;
  if (format.transform) return restoreTransform(place, format.transform, prefix as TransformBlock);
  const image = prefix as AffineBlock;
  const codes = unpackCodes(image.codes, format.bits, (coded.to - coded.from) * format.headSize);
  eachCode(place, (words, row, parts, index) => writeCode(words, row, format.stride, parts, codes[index]!));
  eachParameter(place, (halves, at, index) => {
    halves[at] = image.scales[index]!;
    if (image.minima) halves[at + 1] = image.minima[index]!;
  });
};

const transformImage = (place: HeadPlace, transform: TransformFormat): HeadImage["prefix"] => {
  const { format, coded, head } = place;
  const token = transform.heads[head]!;
  const image = emptyBlock(coded.to - coded.from, format.headSize, token.tables.scheme) as TransformBlock;
  for (let index = 0; index < coded.to - coded.from; index++) {
    const { words, block, place: inBlock } = blockOf(place, coded.from + index);
    readTransformRow(transform, token, words, (head * block.tokens + inBlock) * transform.rowWords);
    storeToken(token, image, index);
  }
  return image;
};

const restoreTransform = (place: HeadPlace, transform: TransformFormat, image: TransformBlock): void => {
  const { coded, head } = place;
  const token = transform.heads[head]!;
  for (let index = 0; index < coded.to - coded.from; index++) {
    const { words, block, place: inBlock } = blockOf(place, coded.from + index);
    loadToken(token, image, index);
    writeTransformRow(transform, token, words, (head * block.tokens + inBlock) * transform.rowWords);
  }
};

type CodeParts = ReturnType<typeof codePlanes>[number];

/** Visits all codes: their row in the words, and their index in the snapshot's order. */
const eachCode = (
  place: HeadPlace,
  visit: (words: Uint32Array, row: number, parts: CodeParts, index: number) => void,
): void => {
  const { format, coded } = place;
  const { headSize } = format;
  const planes = codePlanes(format.bits, headSize);
  for (let token = coded.from; token < coded.to; token++) {
    const { words, block, place: inBlock } = blockOf(place, token);
    const row = rowStart(place, block, inBlock);
    for (let channel = 0; channel < headSize; channel++)
      visit(words, row, planes[channel]!, codeIndex(format, token - coded.from, channel));
  }
};

const codeIndex = (format: TensorFormat, token: number, channel: number): number => {
  if (!format.isChannel) return token * format.headSize + channel;
  const group = groupTokens(format);
  return (Math.floor(token / group) * format.headSize + channel) * group + (token % group);
};

const rowStart = ({ format, head }: HeadPlace, { tokens }: BlockWords["block"], token: number): number => {
  const tile = (head * tokens + token - (token % TILE_TOKENS)) * format.rowWords;
  return tile + (token % TILE_TOKENS) * (format.kind === "key" ? 1 : format.rowWords);
};

/**
 * Visits all groups: the index of their scale in the words' 16-bit halves, which precedes the minimum, and their index in
 * the snapshot.
 */
const eachParameter = (place: HeadPlace, visit: (halves: Uint16Array, at: number, index: number) => void): void => {
  const { format, coded } = place;
  const perRow = format.isChannel ? format.headSize : format.groups;
  const rowTokens = format.isChannel ? groupTokens(format) : 1;
  for (let row = 0; row < (coded.to - coded.from) / rowTokens; row++) {
    const { words, block, place: inBlock } = blockOf(place, coded.from + row * rowTokens);
    const halves = new Uint16Array(words.buffer, words.byteOffset, 2 * words.length);
    for (let index = 0; index < perRow; index++) {
      const entry = parameterEntry(place, block, inBlock, index);
      visit(halves, entry, row * perRow + index);
    }
  }
};

const parameterEntry = (
  { format, kvHeads, head }: HeadPlace,
  { tokens }: BlockWords["block"],
  token: number,
  index: number,
): number => {
  const start = 2 * kvHeads * tokens * format.rowWords;
  const entry = head * headParameters(format, tokens) + entryInHead(format, token, index);
  return start + entry * (format.isAffine ? 2 : 1);
};

const entryInHead = (format: TensorFormat, token: number, index: number): number => {
  if (format.isChannel) return (token / groupTokens(format)) * format.headSize + index;
  if (format.kind === "value") return token * format.groups + index;
  const inTile = token % TILE_TOKENS;
  return (token - inTile) * format.groups + index * TILE_TOKENS + inTile;
};
