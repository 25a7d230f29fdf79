import { z } from "zod";
import { sha256 } from "../../sha256.ts";
import { isDamage, reasonOf, systemReason } from "../../storage/reason.ts";
import { readRecord, writeRecord, type Stored, type StudyStorage } from "../../storage/storage.ts";
import type { GradientCheckpoint } from "../../tunable-model.ts";

/** 4 MiB. */
const PART_NUMBERS = 2 ** 20;

const FLOAT32_BYTES = 4;

/** Lengths of a text's arrays by name; they lie one after another in the parts. */
const lengthsSchema = z.record(z.string(), z.int().min(0));

const keptSchema = z.object({
  version: z.literal(1),
  draws: z.int(),
  partNumbers: z.int(),
  hole: z.int(),
  /** The parts of one hole replace those of the hole before the last. */
  generation: z.union([z.literal(0), z.literal(1)]),
  texts: z.array(lengthsSchema),
  /** The parts in order. */
  parts: z.array(z.object({ sizeBytes: z.int().min(0), sha256: z.string() })),
});

type Kept = Stored<typeof keptSchema>;
type Lengths = Kept["texts"][number];
type Part = Kept["parts"][number];
type Arrays = Readonly<Record<string, Float32Array>>;

/** Sizes of a backward pass that must not have changed. */
interface PassSizes {
  /** By text. */
  readonly tokens: readonly number[];
  readonly draws: number;
  /** Most numbers of a record; 4 MiB by default. */
  readonly partNumbers?: number;
}

const RECORD = "gradients.json";
const PART_NAME = /^gradients-[01]-\d+\.bin$/;

const partName = (generation: number, part: number): string => `gradients-${generation}-${part}.bin`;

/** Whether a record of a study holds its cotangents, which it keeps only until the profile is complete. */
export const isKeptGradients = (name: string): boolean => name === RECORD || PART_NAME.test(name);

/**
 * Keeps the cotangents of a backward pass in a study, 4 bytes for each draw, token and channel: those of the last hole that all
 * texts passed. Removes what an earlier run kept if it cannot be used, with a warning if it is damaged. Warns once and keeps nothing
 * more when the storage fails.
 */
export const keptGradients = async (
  storage: StudyStorage,
  sizes: PassSizes,
  warn: Warn,
): Promise<GradientCheckpoint> => {
  const kept = await readKept(storage, sizes, warn);
  const write = holeWriter(storage, sizes, kept?.generation === 0 ? 1 : 0);
  let hasFailed = false;
  return {
    kept: kept && { hole: kept.hole, read: (text) => readText(storage, kept, text) },
    keep: async (...written) => {
      if (hasFailed) return;
      try {
        await write(...written);
      } catch (error) {
        hasFailed = true;
        warn(notKept(storage, error));
        // Makes room for the journal, if that is what the storage lacks.
        await removeKeptGradients(storage);
      }
    },
  };
};

const notKept = ({ location }: StudyStorage, error: unknown): string =>
  `cannot keep gradients in ${location}: ${systemReason(error)}; the backward pass goes on, but starts again if it is stopped`;

/** Writes the holes of a pass to one generation after another. */
const holeWriter = (
  storage: StudyStorage,
  { tokens, draws, partNumbers = PART_NUMBERS }: PassSizes,
  first: Kept["generation"],
): GradientCheckpoint["keep"] => {
  const writer = partWriter(storage, partNumbers);
  let generation = first;
  let texts: Lengths[] = [];
  return async (hole, text, arrays) => {
    for (const array of Object.values(arrays)) await writer.add(array, generation);
    texts.push(lengthsOf(arrays));
    if (text < tokens.length - 1) return;
    const parts = await writer.end(generation);
    const found: Kept = { version: 1, draws, partNumbers, hole, generation, texts, parts };
    await writeRecord(storage, RECORD, found);
    generation = generation === 0 ? 1 : 0;
    texts = [];
  };
};

/** Removes what was kept. */
export const removeKeptGradients = async (storage: StudyStorage): Promise<void> => {
  const names = (await storage.list()).filter(isKeptGradients);
  // The record first: without its parts it must not be found.
  for (const name of names.toSorted((one) => (one === RECORD ? -1 : 1))) await storage.remove(name);
};

const lengthsOf = (arrays: Arrays): Lengths =>
  Object.fromEntries(Object.entries(arrays).map(([name, { length }]) => [name, length]));

type Warn = (message: string) => void;

/** What an earlier run kept; undefined if it is damaged or of another pass: the pass then starts again. */
const readKept = async (storage: StudyStorage, sizes: PassSizes, warn: Warn): Promise<Kept | undefined> => {
  const kept = await readWhole(storage, sizes, (name, reason) =>
    warn(`${name} is damaged: ${reason}; the backward pass starts again`),
  );
  if (!kept) await removeKeptGradients(storage);
  return kept;
};

type Tell = (name: string, reason: string) => void;

const readWhole = async (storage: StudyStorage, sizes: PassSizes, tell: Tell): Promise<Kept | undefined> => {
  const kept = await readRecordOfPass(storage, tell);
  if (kept?.texts.length !== sizes.tokens.length || kept.draws !== sizes.draws) return undefined;
  const reason = lengthDamage(kept, sizes.tokens);
  if (reason !== undefined) tell(RECORD, reason);
  return reason === undefined && (await arePartsWhole(storage, kept, tell)) ? kept : undefined;
};

const readRecordOfPass = async (storage: StudyStorage, tell: Tell): Promise<Kept | undefined> => {
  try {
    const value = await readRecord(storage, RECORD);
    return value === undefined ? undefined : keptSchema.parse(value);
  } catch (error) {
    if (!isDamage(error)) throw error;
    tell(RECORD, reasonOf(error));
    return undefined;
  }
};

/** Arrays have one row for each draw and token, as wide in each text; the parts hold all of them. */
const lengthDamage = ({ texts, draws, parts }: Kept, tokens: readonly number[]): string | undefined => {
  const widths = texts.map((own, text) =>
    JSON.stringify(Object.entries(own).map(([name, length]) => [name, length / (draws * tokens[text]!)])),
  );
  const areWhole = texts.every((own, text) =>
    Object.values(own).every((length) => length % (draws * tokens[text]!) === 0),
  );
  if (!areWhole || new Set(widths).size > 1) return "its arrays do not have a row for each draw and token";
  const sizeBytes = sum(parts.map((part) => part.sizeBytes));
  const expected = FLOAT32_BYTES * sum(texts.map(numbersOf));
  return sizeBytes === expected ? undefined : `its parts have ${sizeBytes} bytes, its arrays ${expected}`;
};

const arePartsWhole = async (storage: StudyStorage, { generation, parts }: Kept, tell: Tell): Promise<boolean> => {
  for (const [index, part] of parts.entries()) {
    const name = partName(generation, index);
    const reason = await partDamage(part, await storage.readBytes(name));
    if (reason === undefined) continue;
    tell(name, reason);
    return false;
  }
  return true;
};

const partDamage = async (part: Part, bytes: Uint8Array<ArrayBuffer> | undefined): Promise<string | undefined> => {
  if (bytes === undefined) return "it is missing";
  if (bytes.length !== part.sizeBytes) return `expected ${part.sizeBytes} bytes, got ${bytes.length}`;
  return (await sha256(bytes)) === part.sha256 ? undefined : "it does not match its checksum";
};

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

const numbersOf = (lengths: Lengths): number => sum(Object.values(lengths));

const readText = async (storage: StudyStorage, kept: Kept, text: number): Promise<Arrays> => {
  const own = kept.texts[text]!;
  const numbers = await readNumbers(storage, kept, sum(kept.texts.slice(0, text).map(numbersOf)), numbersOf(own));
  let end = 0;
  return Object.fromEntries(
    Object.entries(own).map(([name, length]) => [name, numbers.subarray(end, (end += length))]),
  );
};

const readNumbers = async (
  storage: StudyStorage,
  { generation, partNumbers }: Kept,
  start: number,
  length: number,
): Promise<Float32Array> => {
  const numbers = new Float32Array(length);
  const bytes = new Uint8Array(numbers.buffer);
  for (let done = 0; done < length;) {
    const part = Math.floor((start + done) / partNumbers);
    const from = (start + done) % partNumbers;
    const count = Math.min(length - done, partNumbers - from);
    const stored = (await storage.readBytes(partName(generation, part)))!;
    bytes.set(stored.subarray(from * FLOAT32_BYTES, (from + count) * FLOAT32_BYTES), done * FLOAT32_BYTES);
    done += count;
  }
  return numbers;
};

/** Writes the parts of one generation after another. */
interface PartWriter {
  add(numbers: Float32Array, generation: number): Promise<void>;
  /** Writes the last part. Resolves to all parts of the generation. */
  end(generation: number): Promise<Part[]>;
}

/** Cuts numbers into parts, so that no large copy of them is made. */
const partWriter = (storage: StudyStorage, partNumbers: number): PartWriter => {
  const part = new Float32Array(partNumbers);
  let filled = 0;
  let parts: Part[] = [];
  const flush = async (generation: number): Promise<void> => {
    // A copy: storages may keep what they are given.
    const bytes = new Uint8Array(part.buffer, 0, filled * FLOAT32_BYTES).slice();
    await storage.write(partName(generation, parts.length), bytes);
    parts.push({ sizeBytes: bytes.length, sha256: await sha256(bytes) });
    filled = 0;
  };
  return {
    add: async (numbers, generation) => {
      for (let done = 0; done < numbers.length;) {
        const size = Math.min(numbers.length - done, partNumbers - filled);
        part.set(numbers.subarray(done, done + size), filled);
        [done, filled] = [done + size, filled + size];
        if (filled === partNumbers) await flush(generation);
      }
    },
    end: async (generation) => {
      if (filled > 0) await flush(generation);
      const written = parts;
      parts = [];
      return written;
    },
  };
};
