import { GgufError } from "./gguf-error.ts";
import type { HeaderCursor } from "./header-cursor.ts";

/** A metadata value: 64-bit integers come as numbers where they are safe, as bigint elsewhere. */
export type GgufValue = number | bigint | boolean | string | readonly GgufValue[];

const MAX_ARRAY_DEPTH = 4;
const STRING = 8;
const ARRAY = 9;
const SMALLEST_STRING_BYTES = 8;
const SMALLEST_ARRAY_BYTES = 12;

interface Scalar {
  readonly bytes: number;
  readonly read: (view: DataView) => GgufValue;
}

const safe = (value: bigint): number | bigint =>
  value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;

const SCALARS: Readonly<Record<number, Scalar>> = {
  0: { bytes: 1, read: (view) => view.getUint8(0) },
  1: { bytes: 1, read: (view) => view.getInt8(0) },
  2: { bytes: 2, read: (view) => view.getUint16(0, true) },
  3: { bytes: 2, read: (view) => view.getInt16(0, true) },
  4: { bytes: 4, read: (view) => view.getUint32(0, true) },
  5: { bytes: 4, read: (view) => view.getInt32(0, true) },
  6: { bytes: 4, read: (view) => view.getFloat32(0, true) },
  7: { bytes: 1, read: (view) => view.getUint8(0) !== 0 },
  10: { bytes: 8, read: (view) => safe(view.getBigUint64(0, true)) },
  11: { bytes: 8, read: (view) => safe(view.getBigInt64(0, true)) },
  12: { bytes: 8, read: (view) => view.getFloat64(0, true) },
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

const readArray = async (cursor: HeaderCursor, key: string, depth: number): Promise<GgufValue[]> => {
  if (depth > MAX_ARRAY_DEPTH)
    throw new GgufError(
      "GGUF_INVALID",
      `expected arrays nested at most ${MAX_ARRAY_DEPTH} deep for ${key}; the file is damaged`,
    );
  const type = await cursor.uint32(`the element type of ${key}`);
  const smallest =
    type === STRING ? SMALLEST_STRING_BYTES : type === ARRAY ? SMALLEST_ARRAY_BYTES : (SCALARS[type]?.bytes ?? 1);
  const count = await cursor.boundedCount(`the length of ${key}`, smallest);
  const scalar = SCALARS[type];
  if (scalar) return readScalars(await cursor.take(count * scalar.bytes, key), scalar, count);
  const values: GgufValue[] = [];
  for (let index = 0; index < count; index++) values.push(await readTyped(cursor, type, key, depth));
  return values;
};

const readScalars = (view: DataView, { bytes, read }: Scalar, count: number): GgufValue[] =>
  Array.from({ length: count }, (_, index) => read(new DataView(view.buffer, view.byteOffset + index * bytes, bytes)));
