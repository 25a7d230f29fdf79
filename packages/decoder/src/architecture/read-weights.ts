import type { BlockCodes } from "../gguf/block-codes.ts";
import type { DecoderConfig } from "./config.ts";
import { FAMILIES } from "./families.ts";
import { inHalfSplitOrder } from "./half-split.ts";
import { ModelError } from "./model-error.ts";
import type { FeedForwardWeights, HeadWeights, Linear, ProjectionWeights, WeightSource } from "./weights.ts";

/** Reads norm, query, key and value weights of a layer, with query and key rows in the half-split RoPE order. */
export const readProjection = async (
  source: WeightSource,
  config: DecoderConfig,
  layer: number,
): Promise<ProjectionWeights> => {
  const { hiddenSize, headSize, queryHeads, kvHeads } = config;
  const name = (part: string): string => `blk.${layer}.${part}`;
  const { needsBias, hasHeadNorms } = FAMILIES[config.architecture];
  const linear = async (part: string, heads: number): Promise<Linear> =>
    readLinear(source, name(part), heads * headSize, hiddenSize, needsBias);
  return {
    norm: await readVector(source, name("attn_norm.weight"), hiddenSize),
    query: inHalfSplitOrder(await linear("attn_q", queryHeads), config),
    key: inHalfSplitOrder(await linear("attn_k", kvHeads), config),
    value: await linear("attn_v", kvHeads),
    ...(hasHeadNorms && {
      headNorms: {
        query: await readVector(source, name("attn_q_norm.weight"), headSize),
        key: await readVector(source, name("attn_k_norm.weight"), headSize),
      },
    }),
  };
};

/** Reads attention output, norm and feed-forward weights of a layer. */
export const readFeedForward = async (
  source: WeightSource,
  config: DecoderConfig,
  layer: number,
): Promise<FeedForwardWeights> => {
  const { hiddenSize, feedForwardSize, queryHeads, headSize } = config;
  const name = (part: string): string => `blk.${layer}.${part}`;
  return {
    output: await readLinear(source, name("attn_output"), hiddenSize, queryHeads * headSize),
    norm: await readVector(source, name("ffn_norm.weight"), hiddenSize),
    gate: await readLinear(source, name("ffn_gate"), feedForwardSize, hiddenSize),
    up: await readLinear(source, name("ffn_up"), feedForwardSize, hiddenSize),
    down: await readLinear(source, name("ffn_down"), hiddenSize, feedForwardSize),
  };
};

/** Reads the last norm and the output matrix, which is the embedding if the file has no other. */
export const readHead = async (source: WeightSource, config: DecoderConfig): Promise<HeadWeights> => {
  const name = source.tensors.has("output.weight") ? "output" : "token_embd";
  return {
    norm: await readVector(source, "output_norm.weight", config.hiddenSize),
    output: await readLinear(source, name, vocabularySize(source), config.hiddenSize),
  };
};

/** Rows of the embedding. */
export const vocabularySize = ({ tensors }: Pick<WeightSource, "tensors">): number => {
  const size = tensors.get("token_embd.weight")?.dims[1];
  if (size === undefined) throw missing("token_embd.weight");
  return size;
};

const readLinear = async (
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

const readVector = async (source: WeightSource, name: string, length: number): Promise<Float32Array> => {
  assertLength(source, name, length);
  return source.readTensor(name);
};

const assertLength = (source: WeightSource, name: string, length: number): void => {
  const dims = source.tensors.get(name)?.dims;
  if (!dims) throw missing(name);
  if (dims.reduce((product, dim) => product * dim, 1) === length) return;
  throw new ModelError(
    "MODEL_TENSOR_SHAPE",
    `expected tensor ${name} to hold ${length} numbers as the model's metadata says, got [${dims.join(", ")}]`,
  );
};

const missing = (name: string): ModelError =>
  new ModelError(
    "MODEL_TENSOR_MISSING",
    `expected tensor ${name} in the model file, got none; the file is incomplete or has another architecture`,
  );
