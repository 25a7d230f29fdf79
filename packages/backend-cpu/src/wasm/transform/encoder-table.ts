import { LOG_GAIN_POWERS, LOG_GAINS, type TransformTables } from "@kvtuner/quantizers";
import type { Arena } from "../arena.ts";
import type { Coder, HeadCoder } from "./coder.ts";
import { writeFloats } from "./rope-table.ts";

/** Bytes of a KV head's fields and of a channel's; `kernels/transform-encoder.ts` lists them. */
const ENCODER_BYTES = 80;
const CHANNEL_BYTES = 20;
const GAIN_KINDS = { none: 0, log4: 1, norm16: 2, "norm16-corrected": 3 };
const ROTATION_KINDS = { none: 0, diagonal: 0, hadamard: 1, matrix: 2 };
const CELLS_PER_LEVEL = 4;

/** Writes what the kernels need to encode, beside what {@link writeCoder} writes; returns the address. */
export const writeEncoder = (arena: Arena, { heads }: Coder): number => {
  const address = arena.allocate(ENCODER_BYTES * heads.length);
  const gains = writeDoubles(arena, [...LOG_GAINS, ...LOG_GAIN_POWERS]);
  for (const [index, head] of heads.entries()) {
    const fields = encoderFields(arena, head, gains);
    arena.words.set(fields, (address + ENCODER_BYTES * index) / 4);
  }
  return address;
};

const encoderFields = (arena: Arena, head: HeadCoder, gains: number): number[] => {
  const { tables } = head.token;
  const { mean, rope, rotation, scheme, coded, metric } = tables;
  const pairs = rope?.frequencies.length ?? 0;
  const [step, distance] = rope?.pairing === "neighbours" ? [2, 1] : [1, pairs];
  return [
    tables.widths.length,
    coded,
    GAIN_KINDS[scheme.gain],
    pairs,
    step,
    distance,
    mean ? writeFloats(arena, mean) : 0,
    ROTATION_KINDS[rotation.kind],
    factorsAddress(arena, tables),
    writeWords(arena, tables.places),
    writeChannels(arena, head),
    ...writeCells(arena, tables),
    writeDoubles(arena, tables.inversePowers),
    gains,
    ...(metric ? writeMetric(arena, metric) : [0, 0, 0]),
  ];
};

const factorsAddress = (arena: Arena, { rotation, places, headSize }: TransformTables): number => {
  if (rotation.kind === "hadamard") return rotation.signs ? writeFloats(arena, rotation.signs) : 0;
  if (rotation.kind !== "matrix")
    return writeFloats(
      arena,
      rotation.kind === "diagonal" ? rotation.forward : new Float32Array(places.length).fill(1),
    );
  const [columns, stride] = [places.length, filled(places.length)];
  const matrix = new Float32Array(headSize * stride);
  for (let row = 0; row < headSize; row++)
    matrix.set(rotation.forward.subarray(row * columns, (row + 1) * columns), row * stride);
  return writeFloats(arena, matrix);
};

const filled = (count: number): number => 4 * Math.ceil(count / 4);

const writeChannels = (arena: Arena, { token: { tables }, channels }: HeadCoder): number => {
  const address = arena.allocate(CHANNEL_BYTES * tables.widths.length);
  const offsets = new Map(channels.map(({ index, offset }) => [index, offset]));
  for (const [index, width] of tables.widths.entries()) {
    const fields = [width, offsets.get(index) ?? 0, ...writeLevels(arena, tables, index)];
    arena.words.set(fields, (address + CHANNEL_BYTES * index) / 4);
  }
  return address;
};

/** Addresses of a channel's levels, thresholds and guesses. One of 0 bits has a single level, 0. */
const writeLevels = (arena: Arena, tables: TransformTables, channel: number): number[] => {
  const { starts, levels, thresholds, guesses, widths } = tables;
  const width = widths[channel]!;
  if (width === 16) return [0, 0, 0];
  const [start, end] = [starts[channel]!, starts[channel]! + 2 ** width];
  const guessesAt = arena.allocate(CELLS_PER_LEVEL * (end - start));
  if (width > 0) arena.bytes.set(guesses.subarray(CELLS_PER_LEVEL * start, CELLS_PER_LEVEL * end), guessesAt);
  else arena.bytes[guessesAt] = 0;
  return [
    writeFloats(arena, width > 0 ? levels.subarray(start, end) : [0]),
    writeFloats(arena, [-Infinity, ...thresholds.subarray(start, end - 1), Infinity]),
    guessesAt,
  ];
};

/** Addresses of where each channel's cells begin, of how many are in 1, and of the last ones. */
const writeCells = (arena: Arena, { widths, starts, thresholds, cellsPerUnit }: TransformTables): number[] => {
  const ofChannels = (numberOf: (width: number, channel: number) => number): number[] =>
    Array.from({ length: filled(widths.length) }, (_, channel) => {
      const width = widths[channel] ?? 0;
      return width === 0 || width === 16 ? 0 : numberOf(width, channel);
    });
  return [
    writeFloats(
      arena,
      ofChannels((_, channel) => thresholds[starts[channel]!]!),
    ),
    writeFloats(
      arena,
      ofChannels((_, channel) => cellsPerUnit[channel]!),
    ),
    writeWords(
      arena,
      ofChannels((width) => CELLS_PER_LEVEL * 2 ** width - 1),
    ),
  ];
};

/** Addresses of order, pivots and feedback. */
const writeMetric = (arena: Arena, { order, pivots, feedback }: NonNullable<TransformTables["metric"]>): number[] => {
  const count = order.length;
  const columns = Array.from({ length: count }, (_, place) =>
    Array.from({ length: count - place - 1 }, (_, after) => feedback[(place + 1 + after) * count + place]!),
  );
  // The kernels read two at a time.
  return [writeWords(arena, order), writeDoubles(arena, pivots), writeDoubles(arena, [...columns.flat(), 0])];
};

const writeWords = (arena: Arena, numbers: ArrayLike<number>): number => {
  const address = arena.allocate(4 * numbers.length);
  arena.words.set(numbers, address / 4);
  return address;
};

const writeDoubles = (arena: Arena, numbers: ArrayLike<number>): number => {
  const bytes = new Uint8Array(Float64Array.from(numbers).buffer);
  const address = arena.allocate(bytes.length);
  arena.bytes.set(bytes, address);
  return address;
};
