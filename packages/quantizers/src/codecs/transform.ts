import { LOG_GAIN_BITS, schemeOfHead, type SchemeOf } from "@kvtuner/plan";
import { measuredErrors } from "../bounds/block-errors.ts";
import { emptyBlock } from "../encoded-block.ts";
import type { Codec } from "./codec.ts";
import { transformTables } from "./transform-tables.ts";
import { decodeToken, encodeToken, type TransformToken, transformToken } from "./transform-token.ts";

type TransformScheme = SchemeOf<"transform">;

/** Parts of a transform block. */
export type TransformBlock = {
  /** A bit string, lowest bits first: of each token its logarithmic gain, then its codes. */
  readonly codes: Uint8Array;
  /** Gain of each token as float16 bits; none for other gains. */
  readonly gains: Uint16Array;
};

/**
 * Channels of head vectors in another basis, as the scheme says in `@kvtuner/plan`. Sums are in double precision; `z`, decoded
 * channels and results are rounded to float32. The bound is the measured error, for no better one holds for all tables.
 */
export const transformCodec: Codec<TransformScheme, TransformBlock> = {
  encode: (x, tokens, headSize, scheme, { assets, head, position }) => {
    const block = emptyBlock(tokens, headSize, scheme) as TransformBlock;
    const token = transformToken(transformTables(scheme, assets, head, headSize));
    for (let index = 0; index < tokens; index++) {
      encodeToken(token, x, index * headSize, position + index);
      storeToken(token, block, index);
    }
    return block;
  },
  decode: (block, tokens, headSize, scheme, { assets, head, position }) => {
    const decoded = new Float32Array(tokens * headSize);
    const token = transformToken(transformTables(scheme, assets, head, headSize));
    for (let index = 0; index < tokens; index++) {
      loadToken(token, block, index);
      decodeToken(token, decoded, index * headSize, position + index);
    }
    return decoded;
  },
  roundTrip: (data, { tokens, heads, headSize }, scheme, { assets, position }) => {
    for (let head = 0; head < heads; head++) {
      const own = schemeOfHead(scheme, head) as TransformScheme;
      const token = transformToken(transformTables(own, assets, head, headSize));
      for (let index = 0; index < tokens; index++) {
        const offset = (index * heads + head) * headSize;
        encodeToken(token, data, offset, position + index);
        decodeToken(token, data, offset, position + index);
      }
    }
  },
  bound: (x, tokens, headSize, scheme, { assets, position, head }) => {
    const decoded = x.slice();
    const token = transformToken(transformTables(scheme, assets, head, headSize));
    for (let index = 0; index < tokens; index++) {
      encodeToken(token, x, index * headSize, position + index);
      decodeToken(token, decoded, index * headSize, position + index);
    }
    return measuredErrors(x, decoded, tokens, headSize);
  },
};

/** First bit of a token. A block's tokens follow each other without gaps; blocks fill whole bytes. */
const firstBit = ({ tables: { tokenBits, scheme } }: TransformToken, index: number): number => {
  const { blockSize } = scheme;
  const blockBytes = Math.ceil((blockSize * tokenBits) / 8);
  return 8 * blockBytes * Math.floor(index / blockSize) + tokenBits * (index % blockSize);
};

/** Writes a token's codes into a block that has zeros for them. */
export const storeToken = (token: TransformToken, { codes, gains }: TransformBlock, index: number): void => {
  const { tables, gain } = token;
  let bit = firstBit(token, index);
  if (tables.scheme.gain === "log4") {
    writeBits(codes, bit, gain);
    bit += LOG_GAIN_BITS;
  } else if (tables.scheme.gain !== "none") gains[index] = gain;
  for (let channel = 0; channel < tables.widths.length; channel++) {
    writeBits(codes, bit, token.codes[channel]!);
    bit += tables.widths[channel]!;
  }
};

/** Reads a token's codes from a block. */
export const loadToken = (token: TransformToken, { codes, gains }: TransformBlock, index: number): void => {
  const { tables } = token;
  let bit = firstBit(token, index);
  if (tables.scheme.gain === "log4") {
    token.gain = readBits(codes, bit, LOG_GAIN_BITS);
    bit += LOG_GAIN_BITS;
  } else if (tables.scheme.gain !== "none") token.gain = gains[index]!;
  for (let channel = 0; channel < tables.widths.length; channel++) {
    const width = tables.widths[channel]!;
    token.codes[channel] = readBits(codes, bit, width);
    bit += width;
  }
};

/** Sets up to 16 bits of bytes that are still 0. */
const writeBits = (bytes: Uint8Array, bit: number, code: number): void => {
  for (let byte = bit >>> 3, rest = code << (bit & 7); rest > 0; byte++, rest >>>= 8) bytes[byte]! |= rest & 0xff;
};

/** Up to 16 bits. */
const readBits = (bytes: Uint8Array, bit: number, width: number): number => {
  const byte = bit >>> 3;
  const word = bytes[byte]! | ((bytes[byte + 1] ?? 0) << 8) | ((bytes[byte + 2] ?? 0) << 16);
  return (word >>> (bit & 7)) & ((1 << width) - 1);
};
