import type { CacheShape } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
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
  /** `[rows, columns]`: 0 where a query reads a column, -Infinity elsewhere; each row reads at least one. */
  readonly mask: Float32Array;
}

/** Plain float32 attention over given columns, run by ONNX Runtime. */
export interface AttentionKernel {
  /** Returns `[rows, queryHeads * headSize]`. */
  run(call: AttentionCall): Promise<Float32Array>;
  /** Gives the compiled graph back. */
  dispose(): Promise<void>;
}

/** Compiles attention for one shape. */
export const createAttentionKernel = async (
  shape: CacheShape,
  createSession: CreateSession,
): Promise<AttentionKernel> => {
  const session = await createSession(serializeGraph(attentionGraph(shape)));
  const width = shape.kvHeads * shape.headSize;
  const queryWidth = shape.queryHeads * shape.headSize;
  return {
    run: async ({ query, key, value, mask }) => {
      const rows = query.length / queryWidth;
      const columns = key.length / width;
      const output = await session.run({
        query: new Tensor("float32", query, [rows, queryWidth]),
        key: new Tensor("float32", key, [columns, width]),
        value: new Tensor("float32", value, [columns, width]),
        mask: new Tensor("float32", mask, [rows, columns]),
      });
      return output["attention"]!.data as Float32Array;
    },
    dispose: () => session.release(),
  };
};
