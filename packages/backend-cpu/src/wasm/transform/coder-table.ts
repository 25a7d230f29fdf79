import { hadamardInPlace, type TransformTables } from "@kvtuner/quantizers";
import type { Arena } from "../arena.ts";
import type { Coder, HeadCoder } from "./coder.ts";
import { type RopeTable, ropeTable, writeFloats } from "./rope-table.ts";

/** Bytes of a KV head's fields, of a channel's and of a pair's; `kernels/transform-table.ts` lists them. */
const CODER_BYTES = 48;
const CHANNEL_BYTES = 20;
const PAIR_BYTES = 44;
const GAIN_KINDS = { none: 0, logarithmic: 1, float16: 2 };

/** Largest int16 of a decoded channel. */
const LARGEST_WORD = 16_383;
/** The same before they are turned, which divides them by 2 and may multiply them by the root of 2. */
const LARGEST_TURNED = 23_169;
/** What turned words are divided by: turns are up to 32767, and of the products the upper 16 bits stay. */
const TURN_SCALE = 32_767 / 65_536;

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
  const { mean, rope, headSize } = tables;
  const matrix = matrixOf(tables);
  const table = rope && ropeTable(arena, rope, headSize, codedFrom);
  const channels = channelsOf(arena, head);
  const decodesWords = channels.every(({ width }) => width <= 8) && !(matrix && rope);
  const pairs = decodesWords ? pairsOf(arena, channels, table) : [];
  return [
    head.offset,
    channels.length,
    GAIN_KINDS[head.gains],
    writeRecords(arena, CHANNEL_BYTES, channels.map(channelFields)),
    mean ? writeFloats(arena, mean) : 0,
    matrix ? writeFloats(arena, codedRows(matrix, head)) : 0,
    table?.address ?? 0,
    mean ? writeFloats(arena, expandedOrder(mean)) : 0,
    Number(decodesWords),
    writeFloats(arena, unitsOf(channels)),
    pairs.length,
    writeRecords(arena, PAIR_BYTES, pairs),
  ];
};

/** Address of records of the same fields, one after the other. */
const writeRecords = (arena: Arena, bytes: number, records: readonly (readonly number[])[]): number => {
  const address = arena.allocate(bytes * records.length);
  arena.words.set(records.flat(), address / 4);
  return address;
};

/** A channel with its tables in an arena. */
interface TableChannel {
  readonly width: number;
  readonly offset: number;
  /** Its number in a head vector. */
  readonly place: number;
  readonly levels: Float32Array;
  /** Addresses. */
  readonly levelsAt: number;
  readonly wordsAt: number;
  /** What 1 of its words stands for. */
  readonly unit: number;
}

const channelsOf = (arena: Arena, { token: { tables }, channels }: HeadCoder): TableChannel[] =>
  channels.map(({ index, width, offset }) => {
    const levels = levelsOf(tables, index, width);
    const unit = largestOf(levels) / LARGEST_WORD;
    const wordsAt = width > 8 ? 0 : writeWords(arena, levels, unit);
    return { width, offset, place: tables.places[index]!, levels, levelsAt: writeFloats(arena, levels), wordsAt, unit };
  });

const channelFields = ({ width, offset, place, levelsAt, wordsAt }: TableChannel): number[] => [
  width,
  offset,
  place,
  levelsAt,
  wordsAt,
];

/** Up to a multiple of 4. */
const unitsOf = (channels: readonly TableChannel[]): Float32Array =>
  Float32Array.from({ length: 4 * Math.ceil(channels.length / 4) }, (_, index) => channels[index]?.unit ?? 0);

const largestOf = (levels: Float32Array): number => levels.reduce((most, level) => Math.max(most, Math.abs(level)), 0);

/** Of each 16 levels the lower bytes of their words, then the upper ones. */
const writeWords = (arena: Arena, levels: Float32Array, unit: number): number => {
  const words = Array.from(levels, (level) => (unit > 0 ? Math.round(level / unit) : 0));
  const address = arena.allocate(2 * Math.max(16, words.length));
  for (const [code, word] of words.entries()) {
    const at = address + 32 * Math.floor(code / 16) + (code % 16);
    arena.bytes[at] = word & 0xff;
    arena.bytes[at + 16] = (word >> 8) & 0xff;
  }
  return address;
};

/** Channels that turn together have one unit; those of keys as given are paired as they come. */
const pairsOf = (arena: Arena, channels: readonly TableChannel[], table: RopeTable | undefined): number[][] => {
  const halfOf = (channel: TableChannel | undefined, words: number, query: number, unit: number): number[] =>
    channel ? [channel.width, channel.offset, words, query, bitsOf(unit)] : [0, 0, 0, 0, 0];
  if (!table) {
    const halves = channels.map((channel, index) => halfOf(channel, channel.wordsAt, index, channel.unit));
    return Array.from({ length: Math.ceil(halves.length / 2) }, (_, pair) => {
      return [...halves[2 * pair]!, ...(halves[2 * pair + 1] ?? halfOf(undefined, 0, 0, 0)), 0];
    });
  }
  return table.turnings.flatMap(({ first, second, turns }) => {
    const members = [first, second].map((place) => channels.find((channel) => channel.place === place));
    const largest = Math.max(...members.map((channel) => (channel ? largestOf(channel.levels) : 0)));
    const unit = largest / LARGEST_TURNED;
    const halves = members.map((channel) =>
      halfOf(channel, channel ? writeWords(arena, channel.levels, unit) : 0, channel?.place ?? 0, unit / TURN_SCALE),
    );
    // A pair of which one has no bits still turns into both numbers.
    for (const [index, half] of halves.entries())
      [half[3], half[4]] = [[first, second][index]!, bitsOf(unit / TURN_SCALE)];
    return members.some(Boolean) ? [[...halves.flat(), turns]] : [];
  });
};

/** The bits of a float32, for a field of 32 bits. */
const bitsOf = (number: number): number => new Uint32Array(Float32Array.of(number).buffer)[0]!;

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
