import { type CacheShape, KvtunerError, layerShape, sharingShape } from "@kvtuner/plan";
import type { Tensor } from "onnxruntime-common";

/** Options of {@link attendTokens}. */
export interface AttendOptions {
  /** True when tensors may live in device buffers; as in `Capabilities`. */
  readonly deviceTensors?: boolean;
}

/**
 * Checks the tensors of `attend`, but not their numbers, and returns the call's tokens. All three must be float32
 * `[1, tokens, heads * size]` with the same number of tokens, at least 1, on the CPU; with `deviceTensors` all three in
 * one location.
 *
 * @throws TensorError `BACKEND_LAYER`, `BACKEND_TENSOR_DTYPE`, `BACKEND_TENSOR_SHAPE`, `BACKEND_TENSOR_LOCATION`
 */
export const attendTokens = (
  shape: CacheShape,
  layer: number,
  query: Tensor,
  key: Tensor,
  value: Tensor,
  { deviceTensors = false }: AttendOptions = {},
): number => {
  assertLayer(shape, layer);
  const where = `of layer ${layer}`;
  for (const [what, tensor] of Object.entries({ query, key, value })) assertIsTensor(`${what} ${where}`, tensor);
  const tokens = query.dims[1] ?? 0;
  const { queryHeads, kvHeads, headSize, valueSize = headSize } = layerShape(shape, layer);
  assertTensor(`query ${where}`, query, tokens, queryHeads * headSize, deviceTensors);
  assertTensor(`key ${where}`, key, tokens, kvHeads * headSize, deviceTensors);
  assertTensor(`value ${where}`, value, tokens, kvHeads * valueSize, deviceTensors);
  assertTogether(where, query, key, value);
  return tokens;
};

/**
 * Checks the query of a layer that shares a cache, but not its numbers, and returns the call's tokens. It must be float32
 * `[1, tokens, queryHeads * headSize]`, at least 1 token, on the CPU.
 *
 * @throws TensorError `BACKEND_LAYER`, `BACKEND_TENSOR_DTYPE`, `BACKEND_TENSOR_SHAPE`, `BACKEND_TENSOR_LOCATION`
 */
export const readTokens = (shape: CacheShape, sharing: number, query: Tensor): number => {
  if (!shape.sharing?.[sharing])
    throw new TensorError(
      "BACKEND_LAYER",
      `expected one of the model's ${shape.sharing?.length ?? 0} sharing layers, counted from 0, got ${sharing}; call attend for layers with a cache`,
    );
  const what = `query of sharing layer ${sharing}`;
  assertIsTensor(what, query);
  const tokens = query.dims[1] ?? 0;
  const { queryHeads, headSize } = sharingShape(shape, sharing);
  assertTensor(what, query, tokens, queryHeads * headSize, false);
  return tokens;
};

const assertTogether = (where: string, { location }: Tensor, key: Tensor, value: Tensor): void => {
  if (key.location === location && value.location === location) return;
  throw new TensorError(
    "BACKEND_TENSOR_LOCATION",
    `expected query, key and value ${where} in one location, got ${location}, ${key.location} and ${value.location}; download device tensors with getData()`,
  );
};

const assertLayer = ({ layers }: CacheShape, layer: number): void => {
  if (Number.isInteger(layer) && layer >= 0 && layer < layers) return;
  throw new TensorError(
    "BACKEND_LAYER",
    `expected a layer from 0 to ${layers - 1}, got ${layer}; count only layers that have a cache`,
  );
};

/** Tensors from untyped callers. Those that ONNX Runtime made have as many numbers as their dims say. */
const assertIsTensor = (what: string, tensor: Tensor | undefined): void => {
  const size = tensor?.dims?.reduce((product, dim) => product * dim, 1);
  const isShort = tensor?.location === "cpu" && tensor.data?.length !== size;
  if (size !== undefined && !isShort) return;
  throw new TensorError(
    "BACKEND_TENSOR_SHAPE",
    `expected ${what} as a tensor whose length matches its dims, got ${tensor === undefined ? "none" : "another"}; pass onnxruntime-common's Tensor`,
  );
};

const assertTensor = (what: string, tensor: Tensor, tokens: number, width: number, deviceTensors: boolean): void => {
  if (tensor.type !== "float32")
    throw new TensorError(
      "BACKEND_TENSOR_DTYPE",
      `expected ${what} in float32, got ${tensor.type}; convert it, or take it from a float32 segment`,
    );
  assertDims(what, tensor.dims, tokens, width);
  if (tensor.location !== "cpu" && !deviceTensors)
    throw new TensorError(
      "BACKEND_TENSOR_LOCATION",
      `expected ${what} on the cpu, got location ${tensor.location}; download it with getData(), or choose a backend with deviceTensors`,
    );
};

const assertDims = (what: string, dims: readonly number[], tokens: number, width: number): void => {
  const [batch] = dims;
  if (dims.length === 3 && batch !== 1)
    throw new TensorError(
      "BACKEND_TENSOR_SHAPE",
      `expected ${what} with batch 1, got batch ${batch} (${JSON.stringify(dims)}); create one cache per sequence`,
    );
  if (dims.length === 3 && tokens >= 1 && dims[1] === tokens && dims[2] === width) return;
  throw new TensorError(
    "BACKEND_TENSOR_SHAPE",
    `expected ${what} as [1, ${tokens >= 1 ? tokens : "tokens from 1"}, ${width}], got ${JSON.stringify(dims)}; ` +
      "query, key and value have the tokens of one call and the heads of the model side by side",
  );
};

/** A tensor that cannot be attended with, or a layer that does not exist; `code` says which. */
export class TensorError extends KvtunerError {
  override readonly name = "TensorError";
}
