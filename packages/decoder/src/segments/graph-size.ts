import { ModelError } from "../architecture/model-error.ts";
import type { Graph } from "../onnx/graph.ts";

/** The limit of Protocol Buffers, less 1 MiB for everything but the constants. */
const MAX_BYTES = 2 ** 31 - 2 ** 20;
const GIB = 2 ** 30;

/**
 * Rejects a graph that is too large to serialize with its constants, as a layer of many experts may be.
 *
 * @throws ModelError `MODEL_TOO_LARGE`
 */
export const assertGraphSize = ({ constants }: Pick<Graph, "constants">): void => {
  const sizeBytes = constants.reduce((sum, { data }) => sum + data.byteLength, 0);
  if (sizeBytes <= MAX_BYTES) return;
  throw new ModelError(
    "MODEL_TOO_LARGE",
    `expected a segment of less than 2 GiB, got ${(sizeBytes / GIB).toFixed(2)} GiB; keep weights as stored, write segments to files, or use a smaller model`,
  );
};
