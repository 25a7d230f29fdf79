import { GgufError } from "./gguf-error.ts";
import type { HeaderCursor } from "./header-cursor.ts";

/** An array of numbers of up to 32 bits, or of float64, in the file's type. */
export type GgufNumbers =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;

/**
 * A metadata value. 64-bit integers are numbers if safe, otherwise bigint. Arrays of other numbers are typed arrays; all
 * other arrays are lists.
 */
export type GgufValue = number | bigint | boolean | string | GgufNumbers | readonly GgufValue[];

const MAX_ARRAY_DEPTH = 4;
/** Typed arrays take as much memory as in the file; the limit is what one buffer can hold. */
const MAX_ARRAY_BYTES = 2 ** 30;
/** Lists take several times their size in the file; this is sixteen times the largest vocabulary in use. */
const MAX_LIST_LENGTH = 2 ** 24;
/** No known model has arrays of arrays. */
const MAX_ARRAYS_IN_ARRAY = 2 ** 10;
const STRING = 8;
const ARRAY = 9;
const SMALLEST_STRING_BYTES = 8;
const SMALLEST_ARRAY_BYTES = 12;

interface Scalar {
  readonly bytes: number;
  readonly read: (view: DataView) => GgufValue;
  /** Creates a typed array over a copy of the file's bytes. */
  readonly typed?: new (bytes: ArrayBuffer) => GgufNumbers;
}

const safe = (value: bigint): number | bigint =>
  value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;

const SCALARS: Readonly<Record<number, Scalar>> = {
  0: { bytes: 1, read: (view) => view.getUint8(0), typed: Uint8Array },
  1: { bytes: 1, read: (view) => view.getInt8(0), typed: Int8Array },
  2: { bytes: 2, read: (view) => view.getUint16(0, true), typed: Uint16Array },
  3: { bytes: 2, read: (view) => view.getInt16(0, true), typed: Int16Array },
  4: { bytes: 4, read: (view) => view.getUint32(0, true), typed: Uint32Array },
  5: { bytes: 4, read: (view) => view.getInt32(0, true), typed: Int32Array },
  6: { bytes: 4, read: (view) => view.getFloat32(0, true), typed: Float32Array },
  7: { bytes: 1, read: (view) => view.getUint8(0) !== 0 },
  10: { bytes: 8, read: (view) => safe(view.getBigUint64(0, true)) },
  11: { bytes: 8, read: (view) => safe(view.getBigInt64(0, true)) },
  12: { bytes: 8, read: (view) => view.getFloat64(0, true), typed: Float64Array },
};

/** Reads one typed value; `key` names it in errors. */
export const readValue = async (cursor: HeaderCursor, key: string): Promise<GgufValue> =>
  readTyped(cursor, await cursor.uint32(`the type of ${key}`), key, 0);

const readTyped = async (cursor: HeaderCursor, type: number, key: string, depth: number): Promise<GgufValue> => {
  if (type === STRING) return cursor.string(key);
  if (type === ARRAY) return readArray(cursor, key, depth + 1);
  const scalar = SCALARS[type];
  if (scalar) return scalar.read(await cursor.take(scalar.bytes, key));
  throw new GgufError(
    "GGUF_UNKNOWN_VALUE_TYPE",
    `expected a metadata type of 0 to 12 for ${key}, got ${type}; the file is damaged or newer than this reader`,
  );
};

const readArray = async (cursor: HeaderCursor, key: string, depth: number): Promise<GgufValue> => {
  if (depth > MAX_ARRAY_DEPTH)
    throw new GgufError(
      "GGUF_INVALID",
      `expected arrays nested at most ${MAX_ARRAY_DEPTH} deep for ${key}; the file is damaged`,
    );
  const type = await cursor.uint32(`the element type of ${key}`);
  const count = await cursor.boundedCount(`the length of ${key}`, smallestBytes(type), longestArray(type));
  const scalar = SCALARS[type];
  if (scalar) return readScalars(await cursor.take(count * scalar.bytes, key), scalar, count);
  if (type === STRING) return readStrings(cursor, key, count);
  const values: GgufValue[] = [];
  for (let index = 0; index < count; index++) values.push(await readTyped(cursor, type, key, depth));
  return values;
};

const smallestBytes = (type: number): number =>
  type === STRING ? SMALLEST_STRING_BYTES : type === ARRAY ? SMALLEST_ARRAY_BYTES : (SCALARS[type]?.bytes ?? 1);

const longestArray = (type: number): number => {
  if (type === ARRAY) return MAX_ARRAYS_IN_ARRAY;
  const scalar = SCALARS[type];
  return scalar?.typed ? MAX_ARRAY_BYTES / scalar.bytes : MAX_LIST_LENGTH;
};

const readStrings = async (cursor: HeaderCursor, key: string, count: number): Promise<string[]> => {
  const values: string[] = [];
  while (values.length < count) values.push(cursor.bufferedString() ?? (await cursor.string(key)));
  return values;
};

/** Typed arrays are copies: the file's numbers are not aligned, and a view would keep the whole chunk in memory. */
const readScalars = (view: DataView, { bytes, read, typed }: Scalar, count: number): GgufValue => {
  const { buffer, byteOffset } = view;
  if (typed) return new typed((buffer as ArrayBuffer).slice(byteOffset, byteOffset + count * bytes));
  return Array.from({ length: count }, (_, index) => read(new DataView(buffer, byteOffset + index * bytes, bytes)));
};
