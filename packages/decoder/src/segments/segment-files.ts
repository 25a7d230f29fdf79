import type { Graph } from "../onnx/graph.ts";
import type { Session, SessionOptions } from "../session.ts";

/** Segments in files, written once and opened without copies of their weights. */
export interface SegmentFiles {
  /** Writes a segment unless its files are there, whole. A failure leaves no files of it. */
  write(name: string, build: () => Promise<Graph>): Promise<void>;
  /** Compiles a written segment. */
  open(name: string, options: SessionOptions): Promise<Session>;
}
