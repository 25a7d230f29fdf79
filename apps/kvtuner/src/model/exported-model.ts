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
import { processMemory, type RunMemory } from "./weights.ts";

/** A directory with an exported ONNX model, of which only the graph was read. */
export interface ExportedHeader {
  /** The ONNX file and its files of weights. */
  readonly paths: readonly [string, ...string[]];
  /** Bytes of these files, which are mapped, or half as much again for weights in codes of a few bits, which are packed. */
  readonly weightBytes: number;
  /** The most that one of its segments takes of them. */
  largestSegmentBytes(): number;
  /** Without the files' checksum. */
  readonly identity: ModelIdentity;
  readonly shape: CacheShape;
  /** Context length of the model, tokens. */
  readonly contextLength: number;
  tokenizer(): Tokenizer;
  load(options: {
    readonly createSession: CreateSession;
    readonly sha256?: string;
    /** Segments open at a time; all by default. */
    readonly residentSegments?: number;
    readonly onProgress?: (done: number, total: number) => void;
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
  const copies = model.isQuantized ? PACKED_COPIES : 1;
  const fileBytes = paths.reduce((sum, file) => sum + statSync(file).size, 0);
  return {
    paths,
    weightBytes: Math.ceil(copies * fileBytes),
    largestSegmentBytes: () => Math.ceil(copies * Math.max(...model.cut().segments.map((one) => one.weightBytes))),
    identity: { name, architecture },
    shape: model.shape,
    contextLength,
    tokenizer: () => loadTokenizer({ metadata: tokenizerMetadata(files) }),
    load: async (options) => loadExported(model, { ...options, weightsFolder, name }),
  };
};

/**
 * What it takes to run a model.
 *
 * @param isLimited whether few segments may be open at a time; finding the largest takes making all
 */
export const exportMemory = (
  { weightBytes, largestSegmentBytes }: Pick<ExportedHeader, "weightBytes" | "largestSegmentBytes">,
  vocabularySize: number,
  isLimited: boolean,
): RunMemory => {
  const anonymousBytes = processMemory(vocabularySize);
  return {
    diskBytes: 0,
    peakBytes: anonymousBytes + weightBytes,
    anonymousBytes,
    largestSegmentBytes: isLimited ? largestSegmentBytes() : weightBytes,
  };
};
