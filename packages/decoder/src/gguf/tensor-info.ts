import { GgufError } from "./gguf-error.ts";
import type { HeaderCursor } from "./header-cursor.ts";
import { TENSOR_TYPES, type TensorType, typeName } from "./tensor-types.ts";

const MAX_DIMENSIONS = 4;
const SMALLEST_INFO_BYTES = 32;

/** Where one tensor lies in the file. */
export interface GgufTensor {
  readonly name: string;
  /** As in the file: the fastest dimension first. */
  readonly dims: readonly number[];
  /** Name of its type, like `Q4_1`. */
  readonly type: string;
  readonly typeId: number;
  /** Byte offset from the start of the file. */
  readonly offset: number;
  readonly sizeBytes: number;
}

/** Reads the descriptions of all tensors and checks that each lies within the file. */
export const readTensorInfos = async (
  cursor: HeaderCursor,
  count: number,
  alignment: number,
  fileBytes: number,
): Promise<Map<string, GgufTensor>> => {
  if (count * SMALLEST_INFO_BYTES > cursor.remaining)
    throw new GgufError(
      "GGUF_TRUNCATED",
      `expected room for ${count} tensor descriptions, but only ${cursor.remaining} bytes are left; the file is cut short or damaged`,
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
    placed.set(tensor.name, withinFile({ ...tensor, offset: dataStart + tensor.offset }, fileBytes));
  }
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
  const type = typeOf(typeId, name);
  const offset = await cursor.count(`the offset of ${name}`);
  return { name, dims, type: type.name, typeId, offset, sizeBytes: sizeOf(name, dims, type) };
};

const typeOf = (typeId: number, name: string): TensorType => {
  const type = TENSOR_TYPES[typeId];
  if (type) return type;
  const known = Object.values(TENSOR_TYPES).map((entry) => entry.name);
  throw new GgufError(
    "GGUF_UNKNOWN_TENSOR_TYPE",
    `expected tensor ${name} to be of type ${known.join(", ")}, got ${typeName(typeId)}; use a model quantized to one of these`,
  );
};

const sizeOf = (name: string, dims: readonly number[], type: TensorType): number => {
  const size = dims.reduce((product, dim) => product * dim, 1);
  if (Number.isSafeInteger(size * 4) && size > 0 && dims[0]! % type.blockSize === 0)
    return (size / type.blockSize) * type.blockBytes;
  throw new GgufError(
    "GGUF_DIMENSIONS",
    `expected dimensions of whole blocks of ${type.blockSize} for tensor ${name} of type ${type.name}, got [${dims.join(", ")}]; the file is damaged`,
  );
};

const withinFile = (tensor: GgufTensor, fileBytes: number): GgufTensor => {
  if (tensor.offset + tensor.sizeBytes <= fileBytes) return tensor;
  throw new GgufError(
    "GGUF_TENSOR_OUTSIDE_FILE",
    `expected tensor ${tensor.name} to end at byte ${tensor.offset + tensor.sizeBytes}, but the file has ${fileBytes}; the file is cut short, fetch it again`,
  );
};
