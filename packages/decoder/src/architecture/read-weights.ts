import type { BlockCodes } from "../gguf/block-codes.ts";
import type { DecoderConfig } from "./config.ts";
import { ModelError } from "./model-error.ts";
import type { HeadWeights, Linear, WeightSource } from "./weights.ts";

/** Reads the last norm and rows `from` up to `to` of the output matrix, which is the embedding if the file has no other. */
export const readHead = async (
  source: WeightSource,
  config: DecoderConfig,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<HeadWeights> => {
  const { hiddenSize } = config;
  const name = source.tensors.has("output.weight") ? "output" : "token_embd";
  const matrix = `${name}.weight`;
  assertLength(source, matrix, vocabularySize(source) * hiddenSize);
  const bias = source.tensors.has(`${name}.bias`)
    ? await readVector(source, `${name}.bias`, vocabularySize(source))
    : undefined;
  return {
    norm: await readVector(source, HEAD_NORMS.find((own) => source.tensors.has(own)) ?? HEAD_NORMS[0], hiddenSize),
    output: {
      rows: to - from,
      columns: hiddenSize,
      matrix: await readMatrixRows(source, matrix, from, to),
      ...(bias && { bias: bias.subarray(from, to) }),
    },
  };
};

/** Rows `from` up to `to` of a matrix, in blocks if the source has them. */
export const readMatrixRows = async (
  source: WeightSource,
  name: string,
  from: number,
  to: number,
): Promise<Float32Array | BlockCodes> => {
  const rows = Array.from({ length: to - from }, (_, row) => from + row);
  return (await source.readTensorBlocks?.(name, from, to)) ?? source.readTensorRows(name, rows);
};

/** Names of the last norm; files of LFM2 have the second. */
const HEAD_NORMS = ["output_norm.weight", "token_embd_norm.weight"] as const;

/** Rows of the embedding. */
export const vocabularySize = ({ tensors }: Pick<WeightSource, "tensors">): number => {
  const size = tensors.get("token_embd.weight")?.dims[1];
  if (size === undefined) throw missing("token_embd.weight");
  return size;
};

/**
 * A matrix `NAME.weight` `[rows, columns]` with its bias `NAME.bias`, if it has or needs one.
 *
 * @throws ModelError `MODEL_TENSOR_MISSING`, `MODEL_TENSOR_SHAPE`
 */
export const readLinear = async (
  source: WeightSource,
  name: string,
  rows: number,
  columns: number,
  needsBias = false,
): Promise<Linear> => {
  const matrix = await readMatrix(source, `${name}.weight`, rows * columns);
  const hasBias = needsBias || source.tensors.has(`${name}.bias`);
  return { rows, columns, matrix, ...(hasBias && { bias: await readVector(source, `${name}.bias`, rows) }) };
};

const readMatrix = async (source: WeightSource, name: string, length: number): Promise<Float32Array | BlockCodes> => {
  assertLength(source, name, length);
  return (await source.readTensorBlocks?.(name)) ?? source.readTensor(name);
};

/**
 * A tensor of `length` numbers, in float32.
 *
 * @throws ModelError `MODEL_TENSOR_MISSING`, `MODEL_TENSOR_SHAPE`
 */
export const readVector = async (source: WeightSource, name: string, length: number): Promise<Float32Array> => {
  assertLength(source, name, length);
  return source.readTensor(name);
};

/**
 * Checks the size of a tensor.
 *
 * @throws ModelError `MODEL_TENSOR_MISSING`, `MODEL_TENSOR_SHAPE`
 */
export const assertLength = (source: WeightSource, name: string, length: number): void => {
  const dims = source.tensors.get(name)?.dims;
  if (!dims) throw missing(name);
  if (dims.reduce((product, dim) => product * dim, 1) === length) return;
  throw new ModelError(
    "MODEL_TENSOR_SHAPE",
    `expected tensor ${name} to hold ${length} numbers as the model's metadata says, got [${dims.join(", ")}]; convert the model again`,
  );
};

const missing = (name: string): ModelError =>
  new ModelError(
    "MODEL_TENSOR_MISSING",
    `expected tensor ${name} in the model file, got none, as if the file were incomplete or of another architecture; download it again, or convert the model again`,
  );
