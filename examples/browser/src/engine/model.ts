import {
  blobSource,
  loadTokenizer,
  openGguf,
  readConfig,
  readShape,
  type GgufFile,
  type Tokenizer,
} from "@kvtuner/decoder";
import type { CacheShape, ModelIdentity } from "@kvtuner/plan";

/** What the page shows about a model. */
export interface ModelInfo {
  readonly name: string;
  readonly architecture: string;
  readonly layers: number;
  /** Context length of the model, tokens. */
  readonly contextLength: number;
  /** Whether the file has a chat template. */
  readonly canChat: boolean;
}

/** A model file of which only the header was read. */
export interface Model {
  readonly file: Blob;
  readonly gguf: GgufFile;
  readonly tokenizer: Tokenizer;
  readonly identity: ModelIdentity;
  readonly shape: CacheShape;
  readonly info: ModelInfo;
}

/**
 * Reads and checks the header of a GGUF file.
 *
 * @throws KvtunerError when it is not GGUF, or the model cannot be run
 */
export const openModel = async (file: Blob): Promise<Model> => {
  const gguf = await openGguf(blobSource(file));
  const config = readConfig(gguf);
  const { name, architecture, layers, contextLength } = config;
  return {
    file,
    gguf,
    tokenizer: loadTokenizer(gguf),
    identity: { name, architecture },
    shape: await readShape(gguf, config),
    info: { name, architecture, layers, contextLength, canChat: gguf.metadata.has("tokenizer.chat_template") },
  };
};
