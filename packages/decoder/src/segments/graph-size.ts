import { ModelError } from "../architecture/model-error.ts";
import { constantBytes, type DeferredGraph } from "../onnx/graph.ts";

/** The limit of Protocol Buffers, less 1 MiB for everything but the constants. */
const MAX_BYTES = 2 ** 31 - 2 ** 20;
const GIB = 2 ** 30;

/**
 * Rejects a graph that is too large to compile from memory, as a layer of many experts may be. Files have no such limit.
 *
 * @throws ModelError `MODEL_TOO_LARGE`
 */
export const assertGraphSize = ({ constants }: Pick<DeferredGraph, "constants">): void => {
  const sizeBytes = constants.reduce((sum, constant) => sum + constantBytes(constant), 0);
  if (sizeBytes <= MAX_BYTES) return;
  throw new ModelError(
    "MODEL_TOO_LARGE",
    `expected a segment of less than 2 GiB, got ${(sizeBytes / GIB).toFixed(2)} GiB; write segments to files (segmentFiles), keep weights as stored, or use a smaller model`,
  );
};
