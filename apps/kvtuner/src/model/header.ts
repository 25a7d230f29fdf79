import { readConfig, readShape, type GgufFile } from "@kvtuner/decoder";
import { openGgufFile } from "@kvtuner/decoder/node";
import type { CacheShape, ModelIdentity } from "@kvtuner/plan";

/** A model of which only the header was read. */
export interface ModelHeader {
  readonly gguf: GgufFile;
  /** Its files, in order; several for a split model. */
  readonly paths: readonly [string, ...string[]];
  /** Without the files' checksum. */
  readonly identity: ModelIdentity;
  readonly shape: CacheShape;
  /** Context length of the model, tokens. */
  readonly contextLength: number;
  close(): Promise<void>;
}

/** Tokens that a model is opened for. */
export interface ContextOption {
  /** Tokens of the longest sequence to run, by which Phi-3's RoPE factors are chosen. */
  readonly contextLength?: number;
}

/**
 * Reads and checks the header of a GGUF file, or of a split model given by any of its parts.
 *
 * @throws KvtunerError when it is damaged, or the model cannot be run
 */
export const openHeader = async (path: string, options: ContextOption = {}): Promise<ModelHeader> => {
  const { gguf, paths, close } = await openGgufFile(path);
  try {
    const config = readConfig(gguf, options);
    const { name, architecture, contextLength } = config;
    const shape = await readShape(gguf, config);
    return { gguf, paths, identity: { name, architecture }, shape, contextLength, close };
  } catch (error) {
    await close();
    throw error;
  }
};

/** {@link openHeader}, but closes the file. */
export const readModelHeader = async (path: string): Promise<Omit<ModelHeader, "close">> => {
  const { close, ...header } = await openHeader(path);
  await close();
  return header;
};
