import { BLOCK_FORMATS, type BlockFormatName, type BlockFormatScheme, blockGroup } from "@kvtuner/plan";
import { blockErrors } from "../bounds/block-errors.ts";
import { assertEncodable } from "../encodable.ts";
import { emptyBlock } from "../encoded-block.ts";
import { hadamardBlockSize, hadamardInPlace } from "../hadamard.ts";
import { EXLLAMA } from "./block-formats/exllama.ts";
import { FOUR_BIT_FLOATS } from "./block-formats/four-bit-floats.ts";
import { GGML } from "./block-formats/ggml.ts";
import type { GroupCoder } from "./block-formats/group-coder.ts";
import { HUGGING_FACE } from "./block-formats/hugging-face.ts";
import { MLX } from "./block-formats/mlx.ts";
import { ONNXRUNTIME } from "./block-formats/onnxruntime.ts";
import type { Codec, CodecContext } from "./codec.ts";

/** Arithmetic of each format, by name. */
const CODERS: Readonly<Record<BlockFormatName, GroupCoder>> = {
  ...GGML,
  ...FOUR_BIT_FLOATS,
  ...MLX,
  ...HUGGING_FACE,
  ...EXLLAMA,
  ...ONNXRUNTIME,
};

/** The part of a block: its groups, each as its runtime stores it. */
type RuntimeBlock = { readonly blocks: Uint8Array };

/** Numbers in the formats of other runtimes. A bound is the error itself. */
export const blockFormatCodec: Codec<BlockFormatScheme, RuntimeBlock> = {
  encode: (x, tokens, headSize, scheme, context) => {
    const block = emptyBlock(tokens, headSize, scheme) as RuntimeBlock;
    const rotated = rotatedHeads(x, headSize, scheme);
    if (rotated !== x) assertEncodable(rotated, "after the rotation of the block");
    eachGroup(rotated, headSize, scheme, context, ({ coder, numbers, scales, bytes }) =>
      coder.encode(numbers, block.blocks.subarray(bytes.start, bytes.end), scales),
    );
    return block;
  },
  decode: ({ blocks }, tokens, headSize, scheme, context) => {
    const decoded = new Float32Array(tokens * headSize);
    eachGroup(decoded, headSize, scheme, context, ({ coder, numbers, scales, bytes, store }) => {
      coder.decode(blocks.subarray(bytes.start, bytes.end), numbers, scales);
      store(numbers);
    });
    return rotatedHeads(decoded, headSize, scheme);
  },
  roundTrip: (data, { tokens, heads, headSize }, scheme, context) => {
    for (let head = 0; head < heads; head++) {
      const rows = new Float32Array(tokens * headSize);
      const at = (token: number): number => (token * heads + head) * headSize;
      for (let token = 0; token < tokens; token++)
        rows.set(data.subarray(at(token), at(token) + headSize), token * headSize);
      const decoded = roundTripHead(rows, tokens, headSize, scheme, { ...context, head });
      for (let token = 0; token < tokens; token++)
        data.set(decoded.subarray(token * headSize, (token + 1) * headSize), at(token));
    }
  },
  bound: (x, tokens, headSize, scheme, context) => {
    const decoded = roundTripHead(x, tokens, headSize, scheme, context);
    return blockErrors(
      Float64Array.from(x, (number, index) => Math.abs(number - decoded[index]!)),
      tokens,
      headSize,
    );
  },
};

const roundTripHead = (
  x: Float32Array,
  tokens: number,
  headSize: number,
  scheme: BlockFormatScheme,
  context: CodecContext,
): Float32Array => {
  const { encode, decode } = blockFormatCodec;
  return decode(encode(x, tokens, headSize, scheme, context), tokens, headSize, scheme, context);
};

const ROTATION_SIZE = 64;

/** llama.cpp's rotation, its own inverse: `x` itself if the scheme or the head size has none. */
const rotatedHeads = (x: Float32Array, headSize: number, { rotation }: BlockFormatScheme): Float32Array => {
  if (rotation === "none" || headSize % ROTATION_SIZE !== 0) return x;
  const size = rotation === "keys" ? hadamardBlockSize(headSize) : ROTATION_SIZE;
  const rotated = x.slice();
  for (let offset = 0; offset < x.length; offset += size) hadamardInPlace(rotated, offset, size);
  return rotated;
};

/** One group of a block: a copy of its numbers, its fixed scales, and the range of its bytes. */
interface Group {
  readonly coder: GroupCoder;
  readonly numbers: Float32Array;
  readonly scales: Float32Array;
  readonly bytes: { readonly start: number; readonly end: number };
  /** Puts numbers in the group's place in the block. */
  readonly store: (numbers: Float32Array) => void;
}

/** Visits the groups of `x`, `[tokens, headSize]`, in stored order. Their numbers share one array. */
const eachGroup = (
  x: Float32Array,
  headSize: number,
  scheme: BlockFormatScheme,
  context: CodecContext,
  visit: (group: Group) => void,
): void => {
  const { numbers: count, bytes } = blockGroup(scheme.format, headSize);
  const isChannel = BLOCK_FORMATS[scheme.format].along === "channel";
  const stride = isChannel ? headSize : 1;
  const numbers = new Float32Array(count);
  const scales = fixedScales(scheme, headSize, context);
  const coder = CODERS[scheme.format];
  for (let index = 0; index * count < x.length; index++) {
    const start = isChannel ? Math.floor(index / headSize) * count * headSize + (index % headSize) : index * count;
    for (let place = 0; place < count; place++) numbers[place] = x[start + place * stride]!;
    const store = (stored: Float32Array): void =>
      stored.forEach((number, place) => (x[start + place * stride] = number));
    visit({ coder, numbers, scales, bytes: { start: index * bytes, end: (index + 1) * bytes }, store });
  }
};

/** One scale, or those of the KV head's channels; none for formats that fit their own. */
const fixedScales = ({ scales }: BlockFormatScheme, headSize: number, { assets, head }: CodecContext): Float32Array => {
  if (scales === "none") return new Float32Array(0);
  const all = typeof scales === "string" ? (assets.scales!.data as Float32Array) : Float32Array.from(scales);
  return all.length === 1 ? all : all.subarray(head * headSize, (head + 1) * headSize);
};
