import { readDistributions } from "@kvtuner/decoder";
import { openGgufFile } from "@kvtuner/decoder/node";
import { thenDispose } from "@kvtuner/tuning";

/**
 * Predicts queries and keys of each layer from the weights of a GGUF file, or of a split model given by any of its parts.
 *
 * @throws KvtunerError when the model cannot be read
 */
export const distributionsOf = async (path: string): ReturnType<typeof readDistributions> => {
  const { gguf, close } = await openGgufFile(path);
  return thenDispose(() => readDistributions(gguf), close);
};
