import { type Decoder, measureDistributions, readDistributions } from "@kvtuner/decoder";
import { openGgufFile } from "@kvtuner/decoder/node";
import { thenDispose } from "@kvtuner/tuning";
import type { ExportedHeader } from "./exported-model.ts";
import { createSession } from "./session.ts";

type Distributions = ReturnType<typeof readDistributions>;

/**
 * Predicts queries and keys of each layer from the weights of a GGUF file, or of a split model given by any of its parts.
 *
 * @throws KvtunerError when the model cannot be read
 */
export const distributionsOf = async (path: string): Distributions => {
  const { gguf, close } = await openGgufFile(path);
  return thenDispose(() => readDistributions(gguf), close);
};

/** The same of a directory with an ONNX model, from what its segments compute, opened one at a time. */
export const exportDistributions = async ({ load }: Pick<ExportedHeader, "load">): Distributions => {
  const decoder: Decoder = await load({ createSession, residentSegments: 1 });
  return thenDispose(
    () => measureDistributions(decoder),
    () => decoder.dispose(),
  );
};
