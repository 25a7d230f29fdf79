import type { DeferredGraph } from "../onnx/graph.ts";
import type { Session, SessionOptions } from "../session.ts";

/** A segment as an ONNX model. */
export interface SegmentModel {
  readonly bytes: Uint8Array;
  /** Folder of the file of weights; absent if the model has all its weights inside. */
  readonly weightsFolder?: string;
}

/** Segments in files, written once and opened without copies of their weights. */
export interface SegmentFiles {
  /** Writes a segment unless its files are there, whole. A failure leaves no files of it. */
  write(name: string, build: () => Promise<DeferredGraph>): Promise<void>;
  /** The model of a written segment. Its weights stay in their file. */
  read(name: string): Promise<SegmentModel>;
  /** Compiles a written segment. */
  open(name: string, options: SessionOptions): Promise<Session>;
}
