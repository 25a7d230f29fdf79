import type { ByteSource } from "./byte-source.ts";
import { GgufError } from "./gguf-error.ts";
import { type GgufFile, openGguf } from "./gguf.ts";

/** An opened part of a split model, or an opened whole model. */
export interface GgufPart {
  /** Name or path of its file, for messages. */
  readonly name: string;
  readonly file: GgufFile;
}

/** Position of a part in its model, as its header states it. */
interface PartPosition {
  /** From 0 on. */
  readonly index: number;
  /** Number of parts; 1 for a whole model. */
  readonly count: number;
}

/** Part numbers have five digits. */
const MAX_PARTS = 99_999;
/** Missing parts that a message lists. */
const LISTED_PARTS = 4;

const SPLIT_KEYS = { index: "split.no", count: "split.count", tensors: "split.tensors.count" } as const;

/** Keys that parts share if they have them; llama.cpp writes them to the first part only. */
const IDENTITY_KEYS = ["general.architecture", "general.name"] as const;

/** llama.cpp's name of a part: `%s-%05d-of-%05d.gguf`, from 1 on. */
const PART_NAME = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/su;

/**
 * Names of all parts of a split model, in order, from the name or path of any part; undefined if it is not named like one.
 * `model-00002-of-00003.gguf` gives `model-00001-of-00003.gguf` and so on.
 */
export const partNames = (name: string): string[] | undefined => {
  const [, prefix, part, parts] = PART_NAME.exec(name) ?? [];
  const count = Number(parts);
  if (!(Number(part) >= 1 && Number(part) <= count)) return undefined;
  return Array.from({ length: count }, (_, index) => `${prefix}${partSuffix({ index, count })}`);
};

/** End of a part's file name. */
export const partSuffix = ({ index, count }: PartPosition): string =>
  `-${[index + 1, count].map((number) => String(number).padStart(5, "0")).join("-of-")}.gguf`;

/**
 * Position of a part, from its metadata.
 *
 * @throws GgufError `GGUF_INVALID`
 */
export const partPosition = ({ metadata }: Pick<GgufFile, "metadata">): PartPosition => {
  const [index, count] = [Number(metadata.get(SPLIT_KEYS.index) ?? 0), Number(metadata.get(SPLIT_KEYS.count) ?? 1)];
  if (count === 0 || count === 1) return { index: 0, count: 1 };
  if ([index, count].every(Number.isInteger) && index >= 0 && index < count && count <= MAX_PARTS)
    return { index, count };
  throw new GgufError(
    "GGUF_INVALID",
    `expected ${SPLIT_KEYS.index} below ${SPLIT_KEYS.count}, and that up to ${MAX_PARTS}, got ${index} and ${count}; the file is damaged; download it again`,
  );
};

/**
 * Opens the parts of a split model, in any order, as one file: the metadata of the first part without `split.*`, and the
 * tensors of all. A single source of a whole model opens as with `openGguf`. A tensor's `offset` counts from the start of
 * its part.
 *
 * @throws GgufError `GGUF_PART_MISSING`, `GGUF_PART_FOREIGN`, and those of `openGguf` with the name of the part
 */
export const openGgufParts = async (sources: readonly ByteSource[]): Promise<GgufFile> =>
  joinParts(await Promise.all(sources.map((source, index) => openPart(source, source.name ?? `file ${index + 1}`))));

/** Opens one part; errors start with its name. */
export const openPart = async (source: ByteSource, name: string): Promise<GgufPart> => {
  try {
    return { name, file: await openGguf(source) };
  } catch (cause) {
    if (cause instanceof GgufError) throw new GgufError(cause.code, `${name}: ${cause.message}`, { cause });
    throw cause;
  }
};

/**
 * {@link openGgufParts}, of opened parts.
 *
 * @throws GgufError `GGUF_PART_MISSING`, `GGUF_PART_FOREIGN`
 */
export const joinParts = (parts: readonly GgufPart[]): GgufFile => {
  const [first, ...others] = inOrder(parts);
  if (others.length === 0) return first.file;
  for (const other of others) assertSameModel(first, other);
  return joined([first, ...others]);
};

/** The parts in order, after a check that each is there once. */
const inOrder = (parts: readonly GgufPart[]): [GgufPart, ...GgufPart[]] => {
  const [given] = parts;
  if (given === undefined) throw new GgufError("GGUF_PART_MISSING", "expected at least one GGUF file, got none");
  const { count } = partPosition(given.file);
  const placed = new Map<number, GgufPart>();
  for (const part of parts) {
    const position = partPosition(part.file);
    const twin = placed.get(position.index);
    if (position.count !== count) throw foreign(part, `part ${position.index + 1} of ${position.count}`, given, count);
    if (twin) throw foreign(part, `a second part ${position.index + 1}, besides ${twin.name}`, given, count);
    placed.set(position.index, part);
  }
  const names = partNames(given.name);
  const missing = Array.from({ length: count }, (_, index) => index).filter((index) => !placed.has(index));
  if (missing.length > 0)
    throw missingParts(
      count,
      missing.map((index) => names?.[index] ?? `part ${index + 1}`),
    );
  return [...placed].toSorted(([one], [other]) => one - other).map(([, part]) => part) as [GgufPart, ...GgufPart[]];
};

const assertSameModel = (first: GgufPart, other: GgufPart): void => {
  const { count } = partPosition(first.file);
  for (const key of [...IDENTITY_KEYS, SPLIT_KEYS.tensors]) {
    const [expected, got] = [first, other].map(({ file }) => file.metadata.get(key));
    if (got !== undefined && got !== expected) throw foreign(other, `one whose ${key} is ${String(got)}`, first, count);
  }
};

const joined = (parts: readonly [GgufPart, ...GgufPart[]]): GgufFile => {
  const [first] = parts;
  const holders = new Map<string, GgufPart>();
  for (const part of parts)
    for (const name of part.file.tensors.keys()) {
      if (holders.has(name)) throw foreign(part, `one with tensor ${name} again`, holders.get(name)!, parts.length);
      holders.set(name, part);
    }
  assertTensorCount(parts, holders.size);
  const metadata = new Map(first.file.metadata);
  for (const key of Object.values(SPLIT_KEYS)) metadata.delete(key);
  // A part without the tensor reports that it is missing.
  const holderOf = (name: string): GgufFile => (holders.get(name) ?? first).file;
  return {
    metadata,
    tensors: new Map(parts.flatMap(({ file }) => [...file.tensors])),
    rawTensor: async (name) => holderOf(name).rawTensor(name),
    readTensor: async (name) => holderOf(name).readTensor(name),
    readTensorRows: async (name, rows) => holderOf(name).readTensorRows(name, rows),
    readTensorBlocks: async (name) => holderOf(name).readTensorBlocks(name),
  };
};

const assertTensorCount = (parts: readonly [GgufPart, ...GgufPart[]], got: number): void => {
  const expected = parts[0].file.metadata.get(SPLIT_KEYS.tensors);
  if (expected === undefined || Number(expected) === got) return;
  const list = parts.map(({ name, file }) => `${file.tensors.size} in ${name}`).join(", ");
  throw new GgufError(
    "GGUF_PART_FOREIGN",
    `expected ${Number(expected)} tensors in the parts of a split model, got ${got} (${list}); a part is of another model or quantization; download all parts from one place`,
  );
};

/** The error for parts that are not there. */
export const missingParts = (count: number, names: readonly string[]): GgufError => {
  const more = names.length > LISTED_PARTS ? ` and ${names.length - LISTED_PARTS} more` : "";
  return new GgufError(
    "GGUF_PART_MISSING",
    `expected all ${count} parts of a split model, got no ${names.slice(0, LISTED_PARTS).join(", no ")}${more}; download what is missing, and put it beside the other parts`,
  );
};

const foreign = (part: GgufPart, got: string, beside: GgufPart, count: number): GgufError =>
  new GgufError(
    "GGUF_PART_FOREIGN",
    `expected ${part.name} to be of the same model of ${count} ${count === 1 ? "part" : "parts"} as ${beside.name}, got ${got}; give the parts of one model, downloaded from one place`,
  );
