import type { DecoderConfig } from "./config.ts";
import { ModelError } from "./model-error.ts";

/** ONNX Runtime takes a graph of less than 2 GiB, the limit of Protocol Buffers; a MiB is left for all but the matrices. */
const MAX_SEGMENT_BYTES = 2 ** 31 - 2 ** 20;
const FLOAT32_BYTES = 4;
const GIB = 2 ** 30;

/**
 * Refuses a model with a segment that cannot be loaded, before any is built.
 *
 * @throws ModelError `MODEL_TOO_LARGE`
 */
export const assertSegmentSizes = (config: DecoderConfig): void => {
  for (const [segment, numbers] of segmentNumbers(config)) {
    const sizeBytes = numbers * FLOAT32_BYTES;
    if (sizeBytes > MAX_SEGMENT_BYTES)
      throw new ModelError(
        "MODEL_TOO_LARGE",
        `expected segments of less than 2 GiB in float32, got ${(sizeBytes / GIB).toFixed(2)} GiB for ${segment}; use a smaller model`,
      );
  }
};

/** Numbers in the matrices of each kind of segment; the head is cut into pieces that fit. */
const segmentNumbers = (config: DecoderConfig): [segment: string, numbers: number][] => {
  const { layers, hiddenSize, feedForwardSize, queryHeads, kvHeads, headSize } = config;
  const projection = hiddenSize * (queryHeads + 2 * kvHeads) * headSize;
  const feedForward = hiddenSize * (queryHeads * headSize + 3 * feedForwardSize);
  return [
    ["the projections of the first layer", projection],
    ["the feed-forward part of the last layer", feedForward],
    ...(layers > 1
      ? [["a feed-forward part and the next layer's projections", feedForward + projection] as [string, number]]
      : []),
  ];
};
