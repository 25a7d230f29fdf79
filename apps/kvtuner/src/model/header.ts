import { openGguf, readConfig, readShape, type GgufFile } from "@kvtuner/decoder";
import { openFileSource } from "@kvtuner/decoder/node";
import type { CacheShape, ModelIdentity } from "@kvtuner/plan";

/** A model file of which only the header was read. */
export interface ModelHeader {
  readonly gguf: GgufFile;
  /** Without the file's checksum. */
  readonly identity: ModelIdentity;
  readonly shape: CacheShape;
  /** Context length of the model, tokens. */
  readonly contextLength: number;
  close(): Promise<void>;
}

/**
 * Reads and checks the header of a GGUF file.
 *
 * @throws KvtunerError when it is damaged, or the model cannot be run
 */
export const openHeader = async (path: string): Promise<ModelHeader> => {
  const source = await openFileSource(path);
  try {
    const gguf = await openGguf(source);
    const config = readConfig(gguf);
    const { name, architecture, contextLength } = config;
    const shape = await readShape(gguf, config);
    return { gguf, identity: { name, architecture }, shape, contextLength, close: () => source.close() };
  } catch (error) {
    await source.close();
    throw error;
  }
};

/** {@link openHeader}, but closes the file. */
export const readModelHeader = async (path: string): Promise<Omit<ModelHeader, "close">> => {
  const { close, ...header } = await openHeader(path);
  await close();
  return header;
};
