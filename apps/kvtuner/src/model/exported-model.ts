import { statSync } from "node:fs";
import {
  loadExported,
  loadTokenizer,
  tokenizerMetadata,
  type CreateSession,
  type Decoder,
  type Tokenizer,
} from "@kvtuner/decoder";
import { openExportedFolder } from "@kvtuner/decoder/node";
import type { CacheShape, ModelIdentity } from "@kvtuner/plan";

/** A directory with an exported ONNX model, of which only the graph was read. */
export interface ExportedHeader {
  /** The ONNX file and its files of weights. */
  readonly paths: readonly [string, ...string[]];
  /** Bytes of these files, which are mapped, or half as much again for weights in codes of a few bits, which are packed. */
  readonly weightBytes: number;
  /** Without the files' checksum. */
  readonly identity: ModelIdentity;
  readonly shape: CacheShape;
  /** Context length of the model, tokens. */
  readonly contextLength: number;
  tokenizer(): Tokenizer;
  load(options: {
    readonly createSession: CreateSession;
    readonly sha256: string;
    readonly onProgress: (done: number, total: number) => void;
  }): Promise<Decoder>;
}

/** Weights in codes of a few bits are read from their file and packed. */
const PACKED_COPIES = 1.5;

/**
 * Reads the graph of a model directory, or of an ONNX file.
 *
 * @throws KvtunerError when a file is missing or the model cannot be cut at its attention
 */
export const openExportedHeader = async (path: string): Promise<ExportedHeader> => {
  const { model, name, weightsFolder, paths, tokenizer: files } = await openExportedFolder(path);
  const { architecture, contextLength } = model.config;
  const fileBytes = paths.reduce((sum, file) => sum + statSync(file).size, 0);
  return {
    paths,
    weightBytes: Math.ceil(fileBytes * (model.isQuantized ? PACKED_COPIES : 1)),
    identity: { name, architecture },
    shape: model.shape,
    contextLength,
    tokenizer: () => loadTokenizer({ metadata: tokenizerMetadata(files) }),
    load: async (options) => loadExported(model, { ...options, weightsFolder, name }),
  };
};
