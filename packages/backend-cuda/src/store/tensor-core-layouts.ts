import type { TensorLayout } from "./tensor-layout.ts";

/** Channels that a warp handles together; same as in kernels/tensor-core-scores.cuh. */
const BLOCK_CHANNELS = 64;

/** The largest head, whose sums are in registers; same as in kernels/tensor-core-values.cuh. */
export const TENSOR_HEAD_SIZE = 256;

/** Fewer rows per KV head leave most of a tensor core unused. */
const LEAST_ROWS = 4;

/**
 * True when the tensor-core kernel supports the codes of these keys and values.
 *
 * @param rows query heads per KV head, times the tokens of the call
 */
export const runsOnTensorCores = (key: TensorLayout, value: TensorLayout, rows: number): boolean =>
  rows >= LEAST_ROWS && isTensorCoded(key) && isTensorCoded(value) && hasScaleOfBlock(key);

const isTensorCoded = ({ numbers, transform, headSize }: TensorLayout): boolean =>
  numbers.isCoded && !transform && headSize <= TENSOR_HEAD_SIZE;

/**
 * Scales per channel are multiplied into the queries. Scales per token multiply the sum over a block, so the whole block
 * must share one.
 */
const hasScaleOfBlock = ({ numbers: { isChannel, groupSize }, headSize }: TensorLayout): boolean =>
  isChannel || groupSize % BLOCK_CHANNELS === 0 || groupSize >= headSize;
