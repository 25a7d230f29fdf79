import { GgufError } from "./gguf-error.ts";
import type { HeaderCursor } from "./header-cursor.ts";
import { TENSOR_TYPES, type TensorType, typeName } from "./tensor-types.ts";

const MAX_DIMENSIONS = 4;
const SMALLEST_INFO_BYTES = 32;

/** Location of a tensor in the file. */
export interface GgufTensor {
  readonly name: string;
  /** In file order: the fastest dimension first. */
  readonly dims: readonly number[];
  /** Type name, like `Q4_1`. */
  readonly type: string;
  readonly typeId: number;
  /** Byte offset from the start of the file. */
  readonly offset: number;
  /** 0 for an unsupported type. */
  readonly sizeBytes: number;
  /** True if the type can be read. */
  readonly isSupported: boolean;
}

/** Reads the descriptions of all tensors. Checks that each lies within the file and overlaps no other. */
export const readTensorInfos = async (
  cursor: HeaderCursor,
  count: number,
  alignment: number,
  fileBytes: number,
): Promise<Map<string, GgufTensor>> => {
  if (count * SMALLEST_INFO_BYTES > cursor.remaining)
    throw new GgufError(
      "GGUF_TRUNCATED",
      `expected ${count} tensor descriptions, got ${cursor.remaining} bytes; the file is truncated or damaged`,
    );
  const tensors: GgufTensor[] = [];
  for (let index = 0; index < count; index++) tensors.push(await readTensorInfo(cursor, index));
  const dataStart = Math.ceil(cursor.position / alignment) * alignment;
  const placed = new Map<string, GgufTensor>();
  for (const tensor of tensors) {
    if (placed.has(tensor.name))
      throw new GgufError(
        "GGUF_DUPLICATE_TENSOR",
        `expected each tensor once, got ${tensor.name} twice; the file is damaged`,
      );
    assertAligned(tensor, alignment);
    placed.set(tensor.name, withinFile({ ...tensor, offset: dataStart + tensor.offset }, fileBytes));
  }
  assertApart([...placed.values()]);
  return placed;
};

const readTensorInfo = async (cursor: HeaderCursor, index: number): Promise<GgufTensor> => {
  const name = await cursor.string(`the name of tensor ${index}`);
  const rank = await cursor.uint32(`the rank of ${name}`);
  if (rank < 1 || rank > MAX_DIMENSIONS)
    throw new GgufError(
      "GGUF_DIMENSIONS",
      `expected 1 to ${MAX_DIMENSIONS} dimensions for tensor ${name}, got ${rank}; the file is damaged`,
    );
  const dims: number[] = [];
  for (let axis = 0; axis < rank; axis++) dims.push(await cursor.count(`dimension ${axis} of ${name}`));
  const typeId = await cursor.uint32(`the type of ${name}`);
  const type = TENSOR_TYPES[typeId];
  const sizeBytes = sizeOf(name, dims, type);
  const offset = await cursor.count(`the offset of ${name}`);
  return { name, dims, type: typeName(typeId), typeId, offset, sizeBytes, isSupported: type !== undefined };
};

/** The error for a tensor of an unsupported type. */
export const unsupportedType = ({ name, type }: Pick<GgufTensor, "name" | "type">): GgufError =>
  new GgufError(
    "GGUF_UNKNOWN_TENSOR_TYPE",
    `expected tensor ${name} to be of type ${Object.values(TENSOR_TYPES)
      .map((known) => known.name)
      .join(", ")}, got ${type}; use a model quantized to one of these`,
  );

const UNKNOWN_SIZE: Pick<TensorType, "name" | "blockSize" | "blockBytes"> = {
  name: "unknown",
  blockSize: 1,
  blockBytes: 0,
};

const sizeOf = (name: string, dims: readonly number[], type: typeof UNKNOWN_SIZE = UNKNOWN_SIZE): number => {
  const size = dims.reduce((product, dim) => product * dim, 1);
  if (Number.isSafeInteger(size * 4) && size > 0 && dims[0]! % type.blockSize === 0)
    return (size / type.blockSize) * type.blockBytes;
  throw new GgufError(
    "GGUF_DIMENSIONS",
    `expected dimensions of whole blocks of ${type.blockSize} for tensor ${name} of type ${type.name}, got [${dims.join(", ")}]; the file is damaged`,
  );
};

const assertAligned = ({ name, offset }: GgufTensor, alignment: number): void => {
  if (offset % alignment === 0) return;
  throw new GgufError(
    "GGUF_TENSOR_MISALIGNED",
    `expected tensor ${name} to start at a multiple of ${alignment} bytes, got ${offset}; the file is damaged, fetch or convert it again`,
  );
};

const assertApart = (tensors: readonly GgufTensor[]): void => {
  const inOrder = tensors.toSorted((one, other) => one.offset - other.offset || one.sizeBytes - other.sizeBytes);
  for (const [index, { name, offset }] of inOrder.entries()) {
    const before = inOrder[index - 1];
    if (before === undefined || before.offset + before.sizeBytes <= offset) continue;
    throw new GgufError(
      "GGUF_TENSOR_OVERLAP",
      `expected tensor ${name} to start after ${before.name}, which ends at byte ${before.offset + before.sizeBytes}, got byte ${offset}; the file is damaged, fetch or convert it again`,
    );
  }
};

const withinFile = (tensor: GgufTensor, fileBytes: number): GgufTensor => {
  if (tensor.offset + tensor.sizeBytes <= fileBytes) return tensor;
  throw new GgufError(
    "GGUF_TENSOR_OUTSIDE_FILE",
    `expected tensor ${tensor.name} to end at byte ${tensor.offset + tensor.sizeBytes}, got a file of ${fileBytes} bytes; the file is truncated; download it again`,
  );
};
