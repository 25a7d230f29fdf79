import type { TensorProto } from "onnx-buf";
import {
  bytesOfData,
  type Constant,
  constantBytes,
  type DeferredConstant,
  type DeferredGraph,
  externalInitializer,
  initializer,
  readConstant,
  serializeWith,
} from "./graph.ts";

/** A part of a file, read when it is written. */
interface Part {
  readonly offset: number;
  read(): Promise<Uint8Array>;
}

/** An ONNX model whose large constants are in a file of their own beside it. */
export interface ExternalGraph {
  /** Bytes of the model. */
  readonly model: Uint8Array;
  /** Parts of the other file, in ascending order; the bytes between them are 0. */
  readonly parts: readonly Part[];
  /** Bytes of the other file. */
  readonly sizeBytes: number;
}

/** Constants up to this size stay in the model, as those that the runtime must see to infer shapes do. */
const MOST_INLINE_BYTES = 1024;

/** Constants start at pages, so that a mapped one shares none. */
const PAGE_BYTES = 4096;

/**
 * Splits a graph into a model and the file `location` in its folder.
 *
 * Format: https://onnx.ai/onnx/repo-docs/ExternalData.html
 */
export const externalGraph = (graph: DeferredGraph, location: string): ExternalGraph => {
  const parts: Part[] = [];
  let end = 0;
  const place = (constant: Constant | DeferredConstant): TensorProto => {
    const length = constantBytes(constant);
    if (length <= MOST_INLINE_BYTES && "data" in constant) return initializer(constant);
    const offset = Math.ceil(end / PAGE_BYTES) * PAGE_BYTES;
    parts.push({ offset, read: async () => bytesOfData((await readConstant(constant)).data) });
    end = offset + length;
    return externalInitializer(constant, { location, offset: String(offset), length: String(length) });
  };
  const model = serializeWith(graph, place);
  return { model, parts, sizeBytes: end };
};
