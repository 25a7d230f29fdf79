import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LlamaSequence } from "./child.ts";

/** `ggsq`, little-endian. */
const MAGIC = 0x67677371;
const VERSION = 3;
const SEED_TOKENS = 256;

/**
 * Fills a sequence to `length` tokens by repeating the keys and values of its first tokens: evaluates a few, saves their state,
 * and loads a state in which they are repeated. Evaluating them all would take llama.cpp many minutes.
 */
export const fillFromState = async (sequence: LlamaSequence, ids: Int32Array, length: number): Promise<void> => {
  const seed = [...ids.subarray(0, Math.min(SEED_TOKENS, length))];
  await sequence.eraseContextTokenRanges([{ start: 0, end: sequence.nextTokenIndex }]);
  await sequence.evaluateWithoutGeneratingNewTokens(seed);
  const folder = await mkdtemp(join(tmpdir(), "kvtuner-peer-"));
  const path = join(folder, "state.bin");
  try {
    await sequence.saveStateToFile(path);
    await writeFile(path, repeatState(await readFile(path), length));
    await sequence.loadStateFromFile(path, { acceptRisk: true });
  } finally {
    await rm(folder, { recursive: true });
  }
};

/**
 * A sequence state of llama.cpp with its cells repeated up to `length`. Its layout, in 32-bit words unless stated otherwise:
 * magic, version, tokens and their ids; streams (1), cells, and for each its position, 1 and a sequence; whether values are
 * transposed, layers; for each layer the keys' type, bytes of a row (64 bits), rows; the same for the values, or, if
 * transposed, their type, bytes of a number, rows, and rows of one number for each cell.
 */
export const repeatState = (state: Buffer, length: number): Buffer => {
  const source = new Reader(state);
  const parts: Buffer[] = [];
  const word = (): number => {
    const part = source.take(4);
    parts.push(part);
    return part.readUInt32LE();
  };
  const repeat = (size: number, cells: number): void =>
    void parts.push(repeated(source.take(size * cells), size, length));
  expectWord("magic", word(), MAGIC);
  expectWord("version", word(), VERSION);
  const cells = source.take(4).readUInt32LE();
  parts.push(words(length), repeated(source.take(4 * cells), 4, length));
  expectWord("number of streams", word(), 1);
  expectWord("number of cells", source.take(4).readUInt32LE(), cells);
  const sequences = source.take(12 * cells).subarray(4, 12);
  parts.push(words(length));
  for (let position = 0; position < length; position++) parts.push(words(position), sequences);
  const transposed = word() === 1;
  const layers = word();
  for (let layer = 0; layer < layers; layer++) {
    word();
    const rowBytes = word() + 2 ** 32 * word();
    repeat(rowBytes, cells);
  }
  for (let layer = 0; layer < layers; layer++) {
    word();
    const size = word();
    const rows = word();
    // A row's size has 64 bits; the upper ones are zero.
    if (!transposed) repeat(size, cells);
    else for (let row = 0; row < rows; row++) repeat(size, cells);
  }
  expectWord("number of bytes left", source.left, 0);
  return Buffer.concat(parts);
};

/** The rows of `size` bytes in `rows`, repeated up to `count`. */
const repeated = (rows: Buffer, size: number, count: number): Buffer => Buffer.alloc(size * count, rows);

const words = (value: number): Buffer => {
  const word = Buffer.alloc(4);
  word.writeUInt32LE(value);
  return word;
};

const expectWord = (what: string, got: number, expected: number): void => {
  if (got !== expected)
    throw new Error(
      `expected ${expected} as the ${what} of a sequence state, got ${got}; this llama.cpp writes another format; use --fill text`,
    );
};

class Reader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#offset;
  }

  take(size: number): Buffer {
    const part = this.#bytes.subarray(this.#offset, this.#offset + size);
    if (part.length < size) throw new Error(`expected ${size} more bytes in a sequence state, got ${part.length}`);
    this.#offset += size;
    return part;
  }
}
