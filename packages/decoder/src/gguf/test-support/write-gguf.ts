/** A metadata value to write: integers become uint32, other numbers and `{ float }` float32, lists of integers int32. */
export type WritableValue =
  | number
  | string
  | boolean
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | readonly number[]
  | readonly string[];

/** A tensor to write. */
export interface WritableTensor {
  readonly name: string;
  /** Fastest dimension first, as in GGUF. */
  readonly dims: readonly number[];
  /** Number of the tensor's type; F32 (0) by default. */
  readonly typeId?: number;
  readonly data: Uint8Array | Float32Array;
  /** Offset in the description, in bytes after the header; the true one by default. */
  readonly offset?: number;
}

export interface WritableGguf {
  /** Undefined entries are left out. */
  readonly metadata: Readonly<Record<string, WritableValue | undefined>>;
  readonly tensors: readonly WritableTensor[];
  readonly version?: number;
}

const ALIGNMENT = 32;
const VALUE_TYPES = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 };

/** A GGUF file in memory, little endian. Checks nothing, so that tests can write damaged files. */
export const writeGguf = ({ metadata, tensors, version = 3 }: WritableGguf): Uint8Array => {
  const entries = Object.entries(metadata).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value] as const],
  );
  let offset = 0;
  const infos = tensors.map((tensor) => {
    const info = tensorInfo(tensor, offset);
    offset += padded(tensor.data.byteLength);
    return info;
  });
  const counts = [uint64(tensors.length), uint64(entries.length)];
  const values = entries.flatMap(([key, value]) => [text(key), typed(value)]);
  const head = joined([new TextEncoder().encode("GGUF"), uint32(version), ...counts, ...values, ...infos]);
  const data = tensors.map((tensor) => bytesOf(tensor.data));
  return joined([head, ...data].flatMap((part) => [part, new Uint8Array(padded(part.length) - part.length)]));
};

const tensorInfo = ({ name, dims, typeId = 0, offset }: WritableTensor, place: number): Uint8Array =>
  joined([text(name), uint32(dims.length), ...dims.map(uint64), uint32(typeId), uint64(offset ?? place)]);

const typed = (value: WritableValue): Uint8Array => {
  if (typeof value === "string") return joined([uint32(VALUE_TYPES.string), text(value)]);
  if (typeof value === "boolean") return joined([uint32(VALUE_TYPES.bool), Uint8Array.of(value ? 1 : 0)]);
  if (typeof value === "number")
    return Number.isInteger(value)
      ? joined([uint32(VALUE_TYPES.uint32), uint32(value)])
      : joined([uint32(VALUE_TYPES.float32), bytesOf(Float32Array.of(value))]);
  if ("float" in value) return joined([uint32(VALUE_TYPES.float32), bytesOf(Float32Array.of(value.float))]);
  if ("floats" in value) {
    const counts = [uint32(VALUE_TYPES.array), uint32(VALUE_TYPES.float32), uint64(value.floats.length)];
    return joined([...counts, bytesOf(Float32Array.from(value.floats))]);
  }
  const type = typeof value[0] === "string" ? VALUE_TYPES.string : VALUE_TYPES.int32;
  const items = value.map((item: number | string) => (typeof item === "string" ? text(item) : uint32(item)));
  return joined([uint32(VALUE_TYPES.array), uint32(type), uint64(value.length), ...items]);
};

const text = (value: string): Uint8Array => {
  const bytes = new TextEncoder().encode(value);
  return joined([uint64(bytes.length), bytes]);
};

const uint32 = (value: number): Uint8Array => bytesOf(Uint32Array.of(value));

const uint64 = (value: number): Uint8Array => bytesOf(BigUint64Array.of(BigInt(value)));

const bytesOf = (view: ArrayBufferView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

const padded = (length: number): number => Math.ceil(length / ALIGNMENT) * ALIGNMENT;

const joined = (parts: readonly Uint8Array[]): Uint8Array => {
  const result = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
};
