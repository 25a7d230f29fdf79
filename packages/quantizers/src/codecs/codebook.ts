import { layoutOf, type SchemeOf } from "@kvtuner/plan";
import { packCodes, unpackCodes } from "../bit-packing.ts";
import { blockErrors } from "../bounds/block-errors.ts";
import { assertEncodable } from "../encodable.ts";
import { emptyBlock } from "../encoded-block.ts";
import { float16FromNumber, numberFromFloat16, roundToFloat16 } from "../float16.ts";
import { type Rope, rotate, unrotate } from "../rope.ts";
import type { Codec, CodecContext } from "./codec.ts";
import { inHeadBlocks } from "./head-blocks.ts";

type CodebookScheme = SchemeOf<"codebook">;

/** Parts of a block: scales and offsets only of dynamic schemes, outliers and their places only of schemes with outliers. */
type CodebookBlock = {
  /** Packed codes; each token fills whole bytes. */
  readonly codes: Uint8Array;
  /** Scale and offset of each token, as float16 bits. */
  readonly scales?: Uint16Array;
  readonly offsets?: Uint16Array;
  /** Outliers as float16 bits, by block of tokens. */
  readonly outliers?: Uint16Array;
  /** Place of each outlier in its block, `token * headSize + channel`, in two bytes, the lower one first. */
  readonly places?: Uint8Array;
};

/**
 * KVQuant (Hooper et al., NeurIPS 2024, arXiv 2401.18079): `code = argmin |(x - offset) / scale - level[code]|`,
 * `x^ = level[code] * scale + offset`, in float32; outliers are exact in float16. A scale of 0 gives the level nearest to 0.
 *
 * Each block of tokens of a KV head has the same number of outliers. With scales per channel they are the numbers that are
 * farthest from the offset in scales; with dynamic scales, those that are farthest from the median of their token.
 */
export const codebookCodec: Codec<CodebookScheme, CodebookBlock> = {
  encode: (x, tokens, headSize, scheme, context) => {
    const block = emptyBlock(tokens, headSize, scheme) as CodebookBlock;
    const codeOf = nearestLevel(levelsOf(context));
    const rowBytes = block.codes.length / tokens;
    const outliers = (block.outliers?.length ?? 0) / Math.ceil(tokens / scheme.blockSize);
    for (const [index, part] of normalizedBlocks(x, headSize, scheme, context).entries()) {
      const firstToken = index * scheme.blockSize;
      const codes = new Uint8Array(part.normalized.length);
      for (let place = 0; place < codes.length; place++) codes[place] = codeOf(part.normalized[place]!);
      for (let row = 0; row * headSize < codes.length; row++) {
        const packed = packCodes(codes.subarray(row * headSize, (row + 1) * headSize), scheme.bits);
        block.codes.set(packed, (firstToken + row) * rowBytes);
      }
      block.scales?.set(part.scales.map(float16FromNumber), firstToken);
      block.offsets?.set(part.offsets.map(float16FromNumber), firstToken);
      storeOutliers(block, part, index * outliers, (index + 1) * outliers);
    }
    return block;
  },
  decode: (block, tokens, headSize, scheme, context) => {
    const decoded = new Float32Array(tokens * headSize);
    const levels = levelsOf(context);
    const { scales, offsets, at } = parametersOf(block, headSize, context);
    const rowBytes = block.codes.length / tokens;
    for (let token = 0; token < tokens; token++) {
      const codes = unpackCodes(block.codes.subarray(token * rowBytes), scheme.bits, headSize);
      for (let channel = 0; channel < headSize; channel++) {
        const place = token * headSize + channel;
        decoded[place] = Math.fround(levels[codes[channel]!]! * scales[at(place)]!) + offsets[at(place)]!;
      }
    }
    restoreOutliers(decoded, block, headSize, scheme);
    const rope = ropeOf(scheme, context);
    if (rope) rotate(decoded, headSize, context.position, rope);
    return decoded;
  },
  roundTrip: (data, layout, scheme, context) =>
    inHeadBlocks(data, layout, layout.tokens, (x, head) =>
      x.set(decodedAgain(x, layout.tokens, layout.headSize, scheme, { ...context, head })),
    ),
  /** The changes themselves: levels from a table have no closed form. */
  bound: (x, tokens, headSize, scheme, context) => {
    const decoded = decodedAgain(x, tokens, headSize, scheme, context);
    const changes = Float64Array.from(x, (number, index) => Math.abs(number - decoded[index]!));
    return blockErrors(changes, tokens, headSize);
  },
};

const decodedAgain = (
  x: Float32Array,
  tokens: number,
  headSize: number,
  scheme: CodebookScheme,
  context: CodecContext,
): Float32Array =>
  codebookCodec.decode(codebookCodec.encode(x, tokens, headSize, scheme, context), tokens, headSize, scheme, context);

const levelsOf = ({ assets }: CodecContext): ArrayLike<number> => assets["levels"]!.data;

const ropeOf = ({ pairing }: CodebookScheme, { assets: { frequencies } }: CodecContext): Rope | undefined =>
  frequencies && pairing !== "none" ? { frequencies: frequencies.data, pairing } : undefined;

/** Scale and offset of the number at a place, `token * headSize + channel`: at `at(place)`. */
interface Parameters {
  readonly scales: Float32Array;
  readonly offsets: Float32Array;
  at(place: number): number;
}

/** One block of tokens, ready for codes. */
export interface NormalizedBlock extends Parameters {
  /** The numbers that are coded, before RoPE if so coded: `[tokens, headSize]`. */
  readonly rows: Float32Array;
  /** The same in units of the levels. */
  readonly normalized: Float32Array;
  /** Places of the outliers, ascending; as many in each block. */
  readonly places: readonly number[];
}

/**
 * Cuts `x`, float32 `[tokens, headSize]`, into blocks, and each into outliers and numbers in units of the levels. Needs no
 * levels, so calibration uses it too. Throws as `encodeBlock`.
 */
export const normalizedBlocks = (
  x: Float32Array,
  headSize: number,
  scheme: CodebookScheme,
  context: CodecContext,
): NormalizedBlock[] => {
  const coded = beforeRope(x, headSize, scheme, context);
  const { blockSize } = scheme;
  const count =
    layoutOf(scheme, { tokens: blockSize, headSize }).find(({ name }) => name === "outliers")?.elements ?? 0;
  return Array.from({ length: Math.ceil(x.length / (headSize * blockSize)) }, (_, index) => {
    const rows = coded.subarray(index * headSize * blockSize, (index + 1) * headSize * blockSize);
    return scheme.scales === "dynamic" ? byToken(rows, headSize, count) : byChannel(rows, headSize, count, context);
  });
};

const beforeRope = (x: Float32Array, headSize: number, scheme: CodebookScheme, context: CodecContext): Float32Array => {
  const rope = ropeOf(scheme, context);
  if (!rope) return x;
  const coded = x.slice();
  unrotate(coded, headSize, context.position, rope);
  assertEncodable(coded, "before the rotary position embedding of the block");
  return coded;
};

const byToken = (rows: Float32Array, headSize: number, count: number): NormalizedBlock => {
  const places = count > 0 ? largestPlaces(fromMedians(rows, headSize), count) : [];
  const { lowest, highest } = rangesWithout(places, rows, headSize);
  const parameters = {
    scales: highest.map((high, token) => roundToFloat16((high - lowest[token]!) / 2)),
    offsets: highest.map((high, token) => roundToFloat16((high + lowest[token]!) / 2)),
    at: tokenOf(headSize),
  };
  return { ...parameters, rows, places, normalized: normalize(rows, parameters) };
};

/** Numbers minus the median of their token, the lower of two. */
const fromMedians = (rows: Float32Array, headSize: number): Float32Array => {
  const distances = rows.slice();
  for (let start = 0; start < rows.length; start += headSize) {
    const token = distances.subarray(start, start + headSize);
    const median = token.toSorted()[(headSize - 1) >> 1]!;
    for (let channel = 0; channel < headSize; channel++) token[channel]! -= median;
  }
  return distances;
};

/** Ranges of tokens, `[tokens]`. */
interface TokenRanges {
  readonly lowest: Float32Array;
  readonly highest: Float32Array;
}

/** Smallest and largest number of each token that is not at one of the places; 0 if all are. */
const rangesWithout = (places: readonly number[], rows: Float32Array, headSize: number): TokenRanges => {
  const rest = rows.slice();
  for (const place of places) rest[place] = NaN;
  const tokens = rows.length / headSize;
  const [lowest, highest] = [new Float32Array(tokens), new Float32Array(tokens)];
  for (let token = 0; token < tokens; token++) {
    let [low, high] = [Infinity, -Infinity];
    for (let place = token * headSize; place < (token + 1) * headSize; place++) {
      const number = rest[place]!;
      if (number < low) low = number;
      if (number > high) high = number;
    }
    if (low <= high) [lowest[token], highest[token]] = [low, high];
  }
  return { lowest, highest };
};

const byChannel = (rows: Float32Array, headSize: number, count: number, context: CodecContext): NormalizedBlock => {
  const parameters = channelParameters(headSize, context);
  const normalized = normalize(rows, parameters);
  return { ...parameters, rows, normalized, places: largestPlaces(normalized, count) };
};

const normalize = (rows: Float32Array, { scales, offsets, at }: Parameters): Float32Array =>
  rows.map((x, place) => {
    const scale = scales[at(place)]!;
    return scale === 0 ? 0 : Math.fround(x - offsets[at(place)]!) / scale;
  });

const parametersOf = ({ scales, offsets }: CodebookBlock, headSize: number, context: CodecContext): Parameters =>
  scales && offsets
    ? { scales: numbersOf(scales), offsets: numbersOf(offsets), at: tokenOf(headSize) }
    : channelParameters(headSize, context);

const numbersOf = (bits: Uint16Array): Float32Array => Float32Array.from(bits, numberFromFloat16);

const tokenOf =
  (headSize: number): Parameters["at"] =>
  (place) =>
    Math.floor(place / headSize);

const channelParameters = (headSize: number, { assets: { scales }, head }: CodecContext): Parameters => {
  const row = (index: number): Float32Array =>
    (scales!.data as Float32Array).subarray(index * headSize, (index + 1) * headSize);
  return { scales: row(2 * head), offsets: row(2 * head + 1), at: (place) => place % headSize };
};

/** Places of the `count` numbers of the largest magnitude, in ascending order. Of two equal ones, the first. */
const largestPlaces = (numbers: Float32Array, count: number): number[] => {
  if (count === 0) return [];
  const best: number[] = [];
  const size = (place: number): number => Math.abs(numbers[place]!);
  for (let place = 0; place < numbers.length; place++) {
    if (best.length === count && size(place) <= size(best[count - 1]!)) continue;
    let at = Math.min(best.length, count - 1);
    for (; at > 0 && size(best[at - 1]!) < size(place); at--) best[at] = best[at - 1]!;
    best[at] = place;
  }
  return best.toSorted((one, other) => one - other);
};

/** The code of a number: of its nearest level, the lower of two. */
const nearestLevel = (levels: ArrayLike<number>): ((x: number) => number) => {
  const limits = Array.from({ length: levels.length - 1 }, (_, code) => (levels[code]! + levels[code + 1]!) / 2);
  return (x) => {
    let [low, high] = [0, limits.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (limits[middle]! < x) low = middle + 1;
      else high = middle;
    }
    return low;
  };
};

/** Space that a block of few numbers leaves repeats its last outlier. */
const storeOutliers = ({ outliers, places }: CodebookBlock, part: NormalizedBlock, from: number, to: number): void => {
  for (let entry = from; entry < to; entry++) {
    const place = part.places[Math.min(entry - from, part.places.length - 1)] ?? 0;
    outliers![entry] = float16FromNumber(part.rows[place]!);
    places!.set([place & 255, place >> 8], 2 * entry);
  }
};

const restoreOutliers = (
  decoded: Float32Array,
  { outliers, places }: CodebookBlock,
  headSize: number,
  { blockSize }: CodebookScheme,
): void => {
  if (!outliers || !places) return;
  const length = headSize * blockSize;
  const count = outliers.length / Math.ceil(decoded.length / length);
  for (const [entry, bits] of outliers.entries()) {
    const place = places[2 * entry]! | (places[2 * entry + 1]! << 8);
    decoded[Math.floor(entry / count) * length + place] = numberFromFloat16(bits);
  }
};
