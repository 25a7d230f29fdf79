import { loadTokenizer, type CreateSession, type Decoder, type Tokenizer, type WeightStorage } from "@kvtuner/decoder";
import type { CacheShape, ModelIdentity } from "@kvtuner/plan";
import { openHeader } from "./header.ts";
import { lazyDecoder } from "./lazy-decoder.ts";
import { type ModelAccess, resolveModel } from "./resolve.ts";
import { sha256Files } from "./sha256-files.ts";

/** A model whose header is read at once and whose weights `load` loads, so that everything else is checked first. */
export interface RunnableModel {
  /** Its files, in order; several for a split model. */
  readonly paths: readonly [string, ...string[]];
  readonly identity: ModelIdentity;
  readonly shape: CacheShape;
  /** Context length of the model, tokens. */
  readonly contextLength: number;
  readonly tokenizer: Tokenizer;
  /** Loads the weights, once. */
  load(): Promise<Decoder>;
  /** Releases memory and the files. */
  dispose(): Promise<void>;
}

/** How the weights are held and run. */
export interface RunnableOptions {
  readonly createSession: CreateSession;
  readonly weights: WeightStorage;
}

/**
 * Opens a model to run, as {@link resolveModel} finds it.
 *
 * @throws KvtunerError when there is no such file, or the model cannot be run
 */
export const openRunnableModel = async (
  name: string,
  options: RunnableOptions,
  access: ModelAccess,
): Promise<RunnableModel> => {
  const { path, source } = await resolveModel(name, access);
  const { gguf, paths, identity, shape, contextLength, close } = await openHeader(path);
  try {
    const tokenizer = loadTokenizer(gguf);
    tokenizer.warnings.forEach(access.warn);
    const sha256 = await sha256Files(paths);
    const decoder = lazyDecoder(gguf, { ...options, sha256 }, access);
    const dispose = async (): Promise<void> => {
      await decoder.dispose();
      await close();
    };
    const known = { ...identity, sha256, ...(source !== undefined && { source }) };
    return { paths, identity: known, shape, contextLength, tokenizer, load: decoder.get, dispose };
  } catch (error) {
    await close();
    throw error;
  }
};
