import { type BlockCodes, blockCodes, hasBlockCodes } from "./block-codes.ts";
import type { ByteSource } from "./byte-source.ts";
import { describeValue } from "./describe-value.ts";
import { fileKind, KIND_BYTES } from "./file-kind.ts";
import { GgufError } from "./gguf-error.ts";
import { HeaderCursor } from "./header-cursor.ts";
import { type GgufValue, readValue } from "./metadata.ts";
import { readTensorInfos, type GgufTensor, unsupportedType } from "./tensor-info.ts";
import { TENSOR_TYPES } from "./tensor-types.ts";

const MAGIC = 0x46554747;
const VERSIONS = [2, 3];
const SMALLEST_ENTRY_BYTES = 13;
const DEFAULT_ALIGNMENT = 32;
const ALIGNMENTS = Array.from({ length: 21 }, (_, exponent) => 2 ** exponent);
/** Many times the entries of the largest models. */
const MAX_ENTRIES = 2 ** 16;
const MAX_TENSORS = 2 ** 18;

/** An opened model file: the header is in memory, tensors are read on demand. */
export interface GgufFile {
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  /** A tensor's stored bytes. */
  rawTensor(name: string): Promise<Uint8Array>;
  /** Dequantized float32, row-major; rows are the slowest dimension. */
  readTensor(name: string): Promise<Float32Array>;
  /** The same for some rows only. */
  readTensorRows(name: string, rows: ArrayLike<number>): Promise<Float32Array>;
  /** Codes, scales and offsets of a tensor, or of its rows `from` up to `to`; undefined for a type without blocks. */
  readTensorBlocks(name: string, from?: number, to?: number): Promise<BlockCodes | undefined>;
}

/**
 * Reads the header of a GGUF file, versions 2 and 3, little endian. Checks every length and count against the rest of the
 * file before allocating anything. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 *
 * @throws GgufError `GGUF_NOT_GGUF`, `GGUF_UNSUPPORTED_VERSION`, `GGUF_TRUNCATED`, `GGUF_TOO_MANY`, `GGUF_INVALID`,
 *   `GGUF_UNKNOWN_VALUE_TYPE`, `GGUF_DUPLICATE_KEY`, `GGUF_DUPLICATE_TENSOR`, `GGUF_DIMENSIONS`,
 *   `GGUF_TENSOR_MISALIGNED`, `GGUF_TENSOR_OVERLAP`, `GGUF_TENSOR_OUTSIDE_FILE`. Reading a tensor of an unsupported type
 *   throws `GGUF_UNKNOWN_TENSOR_TYPE`.
 */
export const openGguf = async (source: ByteSource): Promise<GgufFile> => {
  const cursor = new HeaderCursor(source);
  await readMagic(source, cursor);
  const tensorCount = await cursor.boundedCount("the number of tensors", 1, MAX_TENSORS);
  const entryCount = await cursor.boundedCount("the number of metadata entries", SMALLEST_ENTRY_BYTES, MAX_ENTRIES);
  const metadata = await readMetadata(cursor, entryCount);
  const tensors = await readTensorInfos(cursor, tensorCount, alignmentOf(metadata), source.sizeBytes);
  return { metadata, tensors, ...tensorReaders(source, tensors) };
};

const readMagic = async (source: ByteSource, cursor: HeaderCursor): Promise<void> => {
  if ((await cursor.uint32("the magic number")) !== MAGIC) {
    const { what, remedy } = fileKind(await source.read(0, Math.min(KIND_BYTES, source.sizeBytes)));
    throw new GgufError("GGUF_NOT_GGUF", `expected a GGUF file, got ${what}; ${remedy}`);
  }
  const version = await cursor.uint32("the version");
  if (!VERSIONS.includes(version))
    throw new GgufError(
      "GGUF_UNSUPPORTED_VERSION",
      `expected GGUF version 2 or 3, little endian, got ${version}${version % 65_536 === 0 ? " (a big-endian file)" : ""}; convert the model again`,
    );
};

const readMetadata = async (cursor: HeaderCursor, count: number): Promise<Map<string, GgufValue>> => {
  const metadata = new Map<string, GgufValue>();
  for (let index = 0; index < count; index++) {
    const key = await cursor.string(`metadata key ${index}`);
    if (metadata.has(key))
      throw new GgufError(
        "GGUF_DUPLICATE_KEY",
        `expected each metadata key once, got ${key} twice; the file is damaged, convert the model again`,
      );
    metadata.set(key, await readValue(cursor, key));
  }
  return metadata;
};

const alignmentOf = (metadata: ReadonlyMap<string, GgufValue>): number => {
  const alignment = metadata.get("general.alignment") ?? DEFAULT_ALIGNMENT;
  if (typeof alignment === "number" && ALIGNMENTS.includes(alignment)) return alignment;
  throw new GgufError(
    "GGUF_INVALID",
    `expected general.alignment to be a power of two up to 2^20, got ${describeValue(alignment)}; the file is damaged`,
  );
};

const tensorReaders = (
  source: ByteSource,
  tensors: ReadonlyMap<string, GgufTensor>,
): Pick<GgufFile, "rawTensor" | "readTensor" | "readTensorRows" | "readTensorBlocks"> => {
  const find = (name: string): GgufTensor => {
    const tensor = tensors.get(name);
    if (tensor) {
      if (!tensor.isSupported) throw unsupportedType(tensor);
      return tensor;
    }
    throw new GgufError(
      "GGUF_TENSOR_MISSING",
      `expected a tensor ${name} in the file, got none; the model has another architecture`,
    );
  };
  const decode = async (tensor: GgufTensor, offset: number, sizeBytes: number, target: Float32Array): Promise<void> => {
    const bytes = await source.read(offset, sizeBytes);
    TENSOR_TYPES[tensor.typeId]!.dequantize(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), target);
  };
  return {
    rawTensor: async (name) => source.read(find(name).offset, find(name).sizeBytes),
    readTensorBlocks: async (name, from = 0, to) => {
      const tensor = find(name);
      if (!hasBlockCodes(tensor.type)) return undefined;
      const { width, rows, rowBytes } = rowsOf(tensor);
      const count = (to ?? rows) - from;
      const bytes = await source.read(tensor.offset + from * rowBytes, count * rowBytes);
      return blockCodes(tensor.type, bytes, count * width);
    },
    readTensor: async (name) => {
      const tensor = find(name);
      const target = new Float32Array(tensor.dims.reduce((product, dim) => product * dim, 1));
      await decode(tensor, tensor.offset, tensor.sizeBytes, target);
      return target;
    },
    readTensorRows: async (name, rows) => {
      const tensor = find(name);
      const { width, rows: count, rowBytes } = rowsOf(tensor);
      const target = new Float32Array(rows.length * width);
      // Neighbouring rows in one read.
      for (let start = 0, end = 0; start < rows.length; start = end) {
        end = start + 1;
        while (end < rows.length && rows[end] === rows[start]! + end - start) end++;
        assertRow(name, rows[start]!, count);
        assertRow(name, rows[end - 1]!, count);
        await decode(
          tensor,
          tensor.offset + rows[start]! * rowBytes,
          (end - start) * rowBytes,
          target.subarray(start * width, end * width),
        );
      }
      return target;
    },
  };
};

const rowsOf = ({ dims, sizeBytes }: GgufTensor): { width: number; rows: number; rowBytes: number } => {
  const rows = dims.slice(1).reduce((product, dim) => product * dim, 1);
  return { width: dims[0] ?? 1, rows, rowBytes: sizeBytes / rows };
};

const assertRow = (name: string, row: number, count: number): void => {
  if (Number.isInteger(row) && row >= 0 && row < count) return;
  throw new GgufError(
    "GGUF_ROW_OUT_OF_RANGE",
    `expected a row of ${name} from 0 to ${count - 1}, got ${row}; the text was tokenized for another model`,
  );
};
