import type { TensorLayout } from "./tensor-layout.ts";

/** Channels that a warp takes together; as in kernels/tensor-core-scores.cuh. */
const BLOCK_CHANNELS = 64;

/** With fewer rows of a KV head, most of a tensor core's would be empty. */
const LEAST_ROWS = 4;

/**
 * Does the kernel on tensor cores take what these keys and values hold as codes?
 *
 * @param rows query heads of a KV head, times the tokens of the call
 */
export const runsOnTensorCores = (key: TensorLayout, value: TensorLayout, rows: number): boolean =>
  rows >= LEAST_ROWS && key.numbers.isCoded && value.numbers.isCoded && hasScaleOfBlock(key);

/** Scales of channels go with the queries; a token's scale comes after a sum over a block, and so must be that of all of it. */
const hasScaleOfBlock = ({ numbers: { isChannel, groupSize }, headSize }: TensorLayout): boolean =>
  isChannel || groupSize % BLOCK_CHANNELS === 0 || groupSize >= headSize;
