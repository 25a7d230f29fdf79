import type { TransformRows } from "@kvtuner/backend";
import { hadamardInPlace, type TransformTables } from "@kvtuner/quantizers";
import type { Device, DeviceMemory } from "../device/device.ts";

const CHANNEL_WORDS = 4;
const LOG_GAINS = Float32Array.from({ length: 16 }, (_, place) => 2 ** ((place - 8) / 4));

/** Places within the tables, in words; the numbers that kernels/transform.cu has by these names. */
export interface TableShape {
  readonly gainBits: number;
  readonly headWords: number;
  readonly hasMatrix: boolean;
  /** Pairs of channels that positions turn, and distances between pairs and between the channels of one. */
  readonly pairs: number;
  readonly step: number;
  readonly distance: number;
}

/**
 * What a kernel needs to decode a tensor of the codec `transform`: 16 logarithmic gains; a frequency of each pair; of each KV head,
 * its channels (first bit, bits, level of code 0, factor of float16), the mean and the matrix `[channels, numbers]` if there is one; levels.
 */
export const transformWords = (rows: TransformRows): TableShape & { readonly words: Uint32Array<ArrayBuffer> } => {
  const { headSize, rotation, rope } = rows.heads[0]!.tables;
  const hasMatrix = rotation.kind === "matrix" || rotation.kind === "hadamard";
  const headWords = (CHANNEL_WORDS + 1) * headSize + (hasMatrix ? headSize ** 2 : 0);
  const pairs = rope?.frequencies.length ?? 0;
  const headsStart = LOG_GAINS.length + pairs;
  let levelsStart = headsStart + rows.heads.length * headWords;
  const levels = rows.heads.reduce((sum, { tables }) => sum + tables.levels.length, 0);
  const words = new Uint32Array(levelsStart + levels);
  const floats = new Float32Array(words.buffer);
  floats.set(LOG_GAINS);
  if (rope) floats.set(rope.frequencies, LOG_GAINS.length);
  for (const [head, { tables }] of rows.heads.entries()) {
    const start = headsStart + head * headWords;
    writeChannels(words, tables, rows.gainBits, start, levelsStart);
    levelsStart += tables.levels.length;
    if (tables.mean) floats.set(tables.mean, start + CHANNEL_WORDS * headSize);
    if (hasMatrix) writeMatrix(floats.subarray(start + (CHANNEL_WORDS + 1) * headSize), tables);
  }
  const [step, distance] = rope?.pairing === "neighbours" ? [2, 1] : [1, pairs];
  return { words, gainBits: rows.gainBits, headWords, hasMatrix, pairs, step, distance };
};

/** Levels have the factor of a diagonal rotation; float16 codes do not. */
const writeChannels = (
  words: Uint32Array,
  { places, widths, rotation, levels, starts }: TransformTables,
  gainBits: number,
  start: number,
  levelsStart: number,
): void => {
  const floats = new Float32Array(words.buffer);
  let bit = gainBits;
  for (const [channel, width] of widths.entries()) {
    const at = start + CHANNEL_WORDS * places[channel]!;
    const factor = rotation.kind === "diagonal" ? rotation.backward[channel]! : 1;
    const first = levelsStart + starts[channel]!;
    words.set([bit, width, first], at);
    floats[at + 3] = factor;
    const count = width === 0 || width === 16 ? 0 : 2 ** width;
    for (let code = 0; code < count; code++) floats[first + code] = levels[starts[channel]! + code]! * factor;
    bit += width;
  }
};

/** Row-major `[headSize, headSize]`: numbers from the channels at their places. */
const writeMatrix = (matrix: Float32Array, { rotation, headSize, places }: TransformTables): void => {
  for (const [channel, place] of places.entries()) {
    if (rotation.kind === "matrix")
      matrix.set(rotation.backward.subarray(channel * headSize, (channel + 1) * headSize), place * headSize);
    if (rotation.kind !== "hadamard") continue;
    matrix[place * headSize + place] = 1;
    hadamardInPlace(matrix, place * headSize, headSize);
    for (const [index, sign] of rotation.signs?.entries() ?? []) matrix[place * headSize + index]! *= sign;
  }
};

/** The tables of a tensor, on the device from their first use. */
export class DeviceTables {
  readonly shape: TableShape;
  readonly #device: Device;
  readonly #words: Uint32Array<ArrayBuffer>;
  #memory: DeviceMemory | undefined;

  constructor(device: Device, rows: TransformRows) {
    const { words, ...shape } = transformWords(rows);
    this.shape = shape;
    this.#words = words;
    this.#device = device;
  }

  /** @throws OutOfMemoryError */
  address(): number {
    if (!this.#memory) {
      const memory = this.#device.allocate(this.#words.byteLength);
      this.#device.upload(memory.address, this.#words);
      this.#memory = memory;
    }
    return this.#memory.address;
  }

  clear(): void {
    if (this.#memory) this.#device.free(this.#memory);
    this.#memory = undefined;
  }
}
