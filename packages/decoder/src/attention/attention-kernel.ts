import { type AttentionSpec, attentionOf, type CacheShape, spanOf } from "@kvtuner/plan";
import { type InferenceSession, Tensor } from "onnxruntime-common";
import { serializeGraph } from "../onnx/graph.ts";
import type { CreateSession } from "../session.ts";
import { attentionGraph } from "./attention-graph.ts";

/** Queries and the columns they may read. */
export interface AttentionCall {
  /** `[rows, queryHeads * headSize]` */
  readonly query: Float32Array;
  /** `[columns, kvHeads * headSize]` */
  readonly key: Float32Array;
  /** `[columns, kvHeads * headSize]` */
  readonly value: Float32Array;
  /** `[rows, columns]`: 0 where a query reads a column, -Infinity elsewhere. Each row reads at least one column. */
  readonly mask: Float32Array;
}

/** The model's float32 attention over given columns, run by ONNX Runtime. */
export interface AttentionKernel {
  /** Returns `[rows, queryHeads * headSize]`. */
  run(layer: number, call: AttentionCall): Promise<Float32Array>;
  /**
   * Tokens that a query of a layer reads, including its own; Infinity without sliding attention. Masks must respect it.
   */
  span(layer: number): number;
  /** Releases the compiled graphs. */
  dispose(): Promise<void>;
}

/** Compiles attention for one shape. Layers with the same attention share a graph. */
export const createAttentionKernel = async (
  shape: CacheShape,
  createSession: CreateSession,
): Promise<AttentionKernel> => {
  const specs = Array.from({ length: shape.layers }, (_, layer) => attentionOf(shape, layer));
  const sessions = await sessionsOf(shape, specs, createSession);
  const width = shape.kvHeads * shape.headSize;
  const queryWidth = shape.queryHeads * shape.headSize;
  return {
    run: async (layer, { query, key, value, mask }) => {
      const spec = specs[layer]!;
      const rows = query.length / queryWidth;
      const columns = key.length / width;
      const output = await sessions.get(variantName(spec))!.run({
        query: new Tensor("float32", query, [rows, queryWidth]),
        key: new Tensor("float32", key, [columns, width]),
        value: new Tensor("float32", value, [columns, width]),
        mask: new Tensor("float32", mask, [rows, columns]),
        ...(spec.sinkLogits && { sinks: sinkTensor(spec.sinkLogits, shape) }),
      });
      return output["attention"]!.data as Float32Array;
    },
    span: (layer) => spanOf(specs[layer]!),
    dispose: async () => {
      for (const session of sessions.values()) await session.release();
    },
  };
};

const sessionsOf = async (
  shape: CacheShape,
  specs: readonly AttentionSpec[],
  createSession: CreateSession,
): Promise<Map<string, InferenceSession>> => {
  const sessions = new Map<string, InferenceSession>();
  for (const spec of specs) {
    const name = variantName(spec);
    if (sessions.has(name)) continue;
    const variant = { scale: spec.scale, softcap: spec.softcap, hasSinks: spec.sinkLogits !== undefined };
    sessions.set(name, await createSession(serializeGraph(attentionGraph(shape, variant))));
  }
  return sessions;
};

const variantName = ({ scale, softcap, sinkLogits }: AttentionSpec): string =>
  JSON.stringify([scale, softcap, sinkLogits !== undefined]);

const sinkTensor = (logits: readonly number[], { queryHeads, kvHeads }: CacheShape): Tensor =>
  new Tensor("float32", Float32Array.from(logits), [kvHeads, queryHeads / kvHeads, 1, 1]);
