import { SensitivityError } from "./layer-input.ts";

/** Some query rows of a sample of text, with their positions. */
export interface SampledQueries {
  /** `[queries, width]` row-major. */
  readonly query: Float32Array;
  readonly queryPositions: Int32Array;
}

/**
 * Positions spread evenly over a sample of `tokens`, rising, with the last token among them; all positions if there are
 * at most `count`.
 */
export const samplePositions = (tokens: number, count: number): Int32Array => {
  const taken = Math.min(tokens, count);
  return Int32Array.from({ length: taken }, (_, index) => Math.floor(((index + 1) * tokens) / taken) - 1);
};

/** Rows of `query` (`[tokens, width]` row-major) at {@link samplePositions}. */
export const sampleQueries = (query: Float32Array, tokens: number, count: number): SampledQueries => {
  const width = query.length / tokens;
  if (!Number.isInteger(width)) {
    throw new SensitivityError(
      "SENSITIVITY_LENGTH",
      `expected query to hold ${tokens} rows of equal width, one per token, got ${query.length} numbers`,
    );
  }
  const queryPositions = samplePositions(tokens, count);
  const sampled = new Float32Array(queryPositions.length * width);
  for (const [row, position] of queryPositions.entries()) {
    sampled.set(query.subarray(position * width, (position + 1) * width), row * width);
  }
  return { query: sampled, queryPositions };
};
