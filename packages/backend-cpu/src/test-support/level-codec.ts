import { type Asset, type CodecFormat, FORMATS, type LayerScheme, type TensorScheme } from "@kvtuner/plan";
import { type Codec, type CodecContext, CODECS, float16FromNumber, numberFromFloat16 } from "@kvtuner/quantizers";
import { afterAll, beforeAll } from "vitest";

/** Differences from each channel's mean in a block: the nearest level of a table times the token's gain. Tilted by place. */
interface LevelScheme {
  readonly kind: "levels";
  /** Asset: 16 float32 levels from -1 to 1. */
  readonly table: string;
  readonly blockSize: number;
}

/** Parts with other names, types, order and counts than any codec's: one by the block, one by the token. */
type LevelBlock = { readonly means: Uint16Array; readonly nibbles: Uint8Array; readonly gains: Uint8Array };

const format: CodecFormat<LevelScheme> = {
  kind: "levels",
  fields: { table: ["asset"], blockSize: ["count"] },
  bits: () => 4,
  blockTokens: ({ blockSize }) => blockSize,
  label: ({ table, blockSize }) => `levels of ${table}, block ${blockSize}`,
  layout: ({ blockSize }, { tokens, headSize }) => [
    { name: "means", dtype: "float16", elements: Math.ceil(tokens / blockSize) * headSize },
    { name: "nibbles", dtype: "uint8", elements: (tokens * headSize) / 2 },
    { name: "gains", dtype: "uint8", elements: tokens },
  ],
};

const codec: Codec<LevelScheme, LevelBlock> = {
  encode: (numbers, tokens, headSize, { blockSize }, { assets, ...place }) => {
    const { table } = assets;
    const x = tilted(numbers, headSize, place, 1);
    const block: LevelBlock = {
      means: Uint16Array.from({ length: Math.ceil(tokens / blockSize) * headSize }, (_, index) => {
        const first = Math.floor(index / headSize) * blockSize;
        const count = Math.min(blockSize, tokens - first);
        const column = Array.from({ length: count }, (_row, row) => x[(first + row) * headSize + (index % headSize)]!);
        return float16FromNumber(column.reduce((sum, number) => sum + number / count, 0));
      }),
      nibbles: new Uint8Array((tokens * headSize) / 2),
      gains: new Uint8Array(tokens),
    };
    for (let token = 0; token < tokens; token++) {
      const means = meansOf(block, token, headSize, blockSize);
      const rest = means.map((mean, channel) => x[token * headSize + channel]! - mean);
      block.gains[token] = gainCode(Math.max(...rest.map(Math.abs)));
      for (const [channel, number] of rest.entries()) {
        const code = nearest(table!.data, number / gainOf(block.gains[token]!));
        block.nibbles[(token * headSize + channel) >> 1]! |= code << (4 * (channel & 1));
      }
    }
    return block;
  },
  decode: (block, tokens, headSize, { blockSize }, { assets, ...place }) => {
    const { table } = assets;
    const decoded = new Float32Array(tokens * headSize);
    for (let token = 0; token < tokens; token++)
      for (const [channel, mean] of meansOf(block, token, headSize, blockSize).entries()) {
        const index = token * headSize + channel;
        const level = table!.data[(block.nibbles[index >> 1]! >> (4 * (channel & 1))) & 15]!;
        decoded[index] = mean + gainOf(block.gains[token]!) * level;
      }
    return tilted(decoded, headSize, place, -1);
  },
  roundTrip: (data, { tokens, heads, headSize }, scheme, context) => {
    for (let head = 0; head < heads; head++) {
      const rows = Array.from({ length: tokens }, (_, token) => {
        const start = (token * heads + head) * headSize;
        return data.subarray(start, start + headSize);
      });
      const flat = Float32Array.from(rows.flatMap((row) => [...row]));
      const own = { ...context, head };
      const block = codec.encode(flat, tokens, headSize, scheme, own);
      const decoded = codec.decode(block, tokens, headSize, scheme, own);
      for (const [token, row] of rows.entries()) row.set(decoded.subarray(token * headSize, (token + 1) * headSize));
    }
  },
  bound: () => {
    throw new Error("internal: no test needs its bound");
  },
};

/** Adds what depends on the position and the KV head, so that a store that passes others breaks a law. */
const tilted = (
  x: Float32Array,
  headSize: number,
  { head, position }: Omit<CodecContext, "assets">,
  sign: number,
): Float32Array =>
  x.map((number, index) => number + (sign * ((position + Math.floor(index / headSize) + 2 * head) % 5)) / 4);

const meansOf = ({ means }: LevelBlock, token: number, headSize: number, blockSize: number): number[] => {
  const start = Math.floor(token / blockSize) * headSize;
  return Array.from(means.subarray(start, start + headSize), numberFromFloat16);
};

/** Powers of two, from 2^-24. */
const gainOf = (code: number): number => 2 ** (code - 24);
const gainCode = (largest: number): number => Math.max(0, Math.ceil(Math.log2(largest || 1)) + 24);

const nearest = (levels: ArrayLike<number>, number: number): number => {
  let best = 0;
  for (let index = 1; index < levels.length; index++)
    if (Math.abs(levels[index]! - number) < Math.abs(levels[best]! - number)) best = index;
  return best;
};

/** 16 levels from -1 to 1; a power above 1 crowds them around 0. */
export const tableOf = (name: string, power: number): Asset => {
  const level = (index: number): number => Math.sign(index - 7.5) * (Math.abs(index - 7.5) / 7.5) ** power;
  return { name, dtype: "float32", shape: [16], data: Float32Array.from({ length: 16 }, (_, index) => level(index)) };
};

/** A layer of this codec with the table of a name, in blocks of 2 tokens. */
export const levelLayer = (table: string): LayerScheme => {
  const scheme = { kind: "levels", table, blockSize: 2 } as unknown as TensorScheme;
  return { key: scheme, value: scheme, residency: { kind: "prefix", sinks: 0, recent: 0 } };
};

/** Registers the codec as `levels` for the tests of a file. */
export const useLevelCodec = (): void => {
  beforeAll(() => {
    Object.assign(FORMATS, { levels: format });
    Object.assign(CODECS, { levels: codec });
  });
  afterAll(() => {
    for (const codecs of [FORMATS, CODECS]) Reflect.deleteProperty(codecs, "levels");
  });
};
