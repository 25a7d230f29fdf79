import { hadamardInPlace, type TransformTables } from "@kvtuner/quantizers";
import type { Arena } from "../arena.ts";
import type { Coder, HeadCoder } from "./coder.ts";
import { ropeTable } from "./rope-table.ts";

/** Bytes of a KV head's fields and of a channel's; `kernels/transform-table.ts` lists them. */
const CODER_BYTES = 32;
const CHANNEL_BYTES = 16;
const GAIN_KINDS = { none: 0, logarithmic: 1, float16: 2 };

/** Writes what the kernels need to know about a coder; returns the address. `codedFrom` is the position of the first token that may be coded. */
export const writeCoder = (arena: Arena, { heads }: Coder, codedFrom: number): number => {
  const address = arena.allocate(CODER_BYTES * heads.length);
  for (const [index, head] of heads.entries()) {
    const fields = headFields(arena, head, codedFrom);
    arena.words.set(fields, (address + CODER_BYTES * index) / 4);
  }
  return address;
};

const headFields = (arena: Arena, head: HeadCoder, codedFrom: number): number[] => {
  const { tables } = head.token;
  const { mean, rope } = tables;
  const matrix = matrixOf(tables);
  return [
    head.offset,
    head.channels.length,
    GAIN_KINDS[head.gains],
    writeChannels(arena, head),
    mean ? writeFloats(arena, mean) : 0,
    matrix ? writeFloats(arena, codedRows(matrix, head)) : 0,
    rope ? ropeTable(arena, rope, codedFrom) : 0,
    mean ? writeFloats(arena, expandedOrder(mean)) : 0,
  ];
};

const writeFloats = (arena: Arena, numbers: ArrayLike<number>): number => {
  const address = arena.allocate(4 * numbers.length);
  arena.floats.set(numbers, address / 4);
  return address;
};

const writeChannels = (arena: Arena, { token: { tables }, channels }: HeadCoder): number => {
  const address = arena.allocate(CHANNEL_BYTES * channels.length);
  for (const [place, { index, width, offset }] of channels.entries()) {
    const levels = writeFloats(arena, levelsOf(tables, index, width));
    arena.words.set([width, offset, tables.places[index]!, levels], (address + CHANNEL_BYTES * place) / 4);
  }
  return address;
};

/** What codes of a channel stand for, times the factor of a diagonal rotation; of float16, the factor alone. */
const levelsOf = ({ rotation, levels, starts }: TransformTables, channel: number, width: number): Float32Array => {
  const factor = rotation.kind === "diagonal" ? rotation.backward[channel]! : 1;
  if (width === 16) return Float32Array.of(factor);
  return levels.subarray(starts[channel], starts[channel]! + 2 ** width).map((level) => level * factor);
};

/** The matrix by which channels become numbers, row-major `[channels, headSize]`; none if a channel is a number. */
const matrixOf = ({ rotation, headSize, places }: TransformTables): ArrayLike<number> | undefined => {
  if (rotation.kind === "matrix") return rotation.backward;
  if (rotation.kind !== "hadamard") return undefined;
  const matrix = new Float32Array(places.length * headSize);
  for (const [channel, place] of places.entries()) {
    matrix[channel * headSize + place] = 1;
    hadamardInPlace(matrix, channel * headSize, headSize);
  }
  return matrix.map((number, index) => number * (rotation.signs?.[index % headSize] ?? 1));
};

/** Its rows of the channels with bits. */
const codedRows = (matrix: ArrayLike<number>, { token, channels }: HeadCoder): Float32Array => {
  const { headSize } = token.tables;
  return Float32Array.from({ length: channels.length * headSize }, (_, at) => {
    return matrix[channels[Math.floor(at / headSize)]!.index * headSize + (at % headSize)]!;
  });
};

/** Of each eight numbers those at even places, then those at odd ones, as the kernels expand float16. */
const expandedOrder = (numbers: Float32Array): Float32Array =>
  numbers.map((_, at) => numbers[(at & ~7) + 2 * (at & 3) + ((at >> 2) & 1)]!);
