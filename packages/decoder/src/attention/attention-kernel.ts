import { type AttentionSpec, type CacheShape, holeShape, holesOf, type LayerShape, spanOf } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { serializeGraph } from "../onnx/graph.ts";
import { runInto, type Tensors } from "../run-into.ts";
import type { CreateSession, Session } from "../session.ts";
import { attentionGraph } from "./attention-graph.ts";

/** Queries of one layer and the columns they may read. */
export interface AttentionCall {
  /** `[rows, queryHeads * headSize]` */
  readonly query: Float32Array;
  /** `[columns, kvHeads * headSize]` */
  readonly key: Float32Array;
  /** `[columns, kvHeads * valueSize]` */
  readonly value: Float32Array;
  /** `[rows, columns]`: 0 where a query reads a column, -Infinity elsewhere. Each row reads at least one column. */
  readonly mask: Float32Array;
}

/** The model's float32 attention over given columns, run by ONNX Runtime. */
export interface AttentionKernel {
  /**
   * Returns `[rows, queryHeads * valueSize]`, in `into` if given.
   *
   * @param hole ordinal among all layers with attention, also those that share a cache
   */
  run(hole: number, call: AttentionCall, into?: Float32Array): Promise<Float32Array>;
  /**
   * Tokens that a query in a hole reads, including its own; Infinity without sliding attention. Masks must respect it.
   */
  span(hole: number): number;
  /** Releases the compiled graphs. */
  dispose(): Promise<void>;
}

/** Compiles attention for one shape. Layers of the same sizes and attention share a graph. */
export const createAttentionKernel = async (
  shape: CacheShape,
  createSession: CreateSession,
): Promise<AttentionKernel> => {
  const { holes, sessionOf, feedsOf, dispose } = await openAttention(shape, createSession);
  return {
    run: async (hole, call, into) => {
      const { kvHeads, queryHeads } = holes[hole]!;
      const feeds = feedsOf(hole, call);
      const [columns, valueWidth] = feeds["value"]!.dims as [number, number];
      const outputWidth = (valueWidth / kvHeads) * queryHeads;
      const rows = call.mask.length / columns;
      const output = into ?? new Float32Array(rows * outputWidth);
      const attention = new Tensor("float32", output, [rows, outputWidth]);
      await runInto(sessionOf(hole), feeds, { attention });
      return output;
    },
    span: (hole) => spanOf(holes[hole]!.attention),
    dispose,
  };
};

/** Sessions of all holes of a shape. */
export interface AttentionSessions {
  readonly holes: readonly AttentionLayer[];
  sessionOf(hole: number): Session;
  /** The call as the inputs of {@link attentionGraph}. */
  feedsOf(hole: number, call: AttentionCall): Tensors;
  dispose(): Promise<void>;
}

/**
 * Compiles the attention of each hole, one session for holes that are alike.
 *
 * @param modelOf makes another model of the attention's
 */
export const openAttention = async (
  shape: CacheShape,
  createSession: CreateSession,
  modelOf: (attention: Uint8Array) => Uint8Array = (attention) => attention,
): Promise<AttentionSessions> => {
  const holes = holesOf(shape).map((hole) => holeShape(shape, hole));
  const sessions = await sessionsOf(holes, async (model) => createSession(modelOf(model)));
  return {
    holes,
    sessionOf: (hole) => sessions.get(variantName(holes[hole]!))!,
    feedsOf: (hole, { query, key, value, mask }) => {
      const own = holes[hole]!;
      const { sinkLogits } = own.attention;
      const [queryWidth, width] = [own.queryHeads * own.headSize, own.kvHeads * own.headSize];
      const [rows, columns] = [query.length / queryWidth, key.length / width];
      return {
        query: new Tensor("float32", query, [rows, queryWidth]),
        key: new Tensor("float32", key, [columns, width]),
        value: new Tensor("float32", value, [columns, value.length / columns]),
        mask: new Tensor("float32", mask, [rows, columns]),
        ...(sinkLogits && { sinks: sinkTensor(sinkLogits, own) }),
      };
    },
    dispose: async () => {
      for (const session of sessions.values()) await session.release();
    },
  };
};

/** Sizes of one layer, and how it attends. */
type AttentionLayer = LayerShape & { readonly attention: AttentionSpec };

const sessionsOf = async (
  layers: readonly AttentionLayer[],
  createSession: CreateSession,
): Promise<Map<string, Session>> => {
  const sessions = new Map<string, Session>();
  for (const layer of layers) {
    const name = variantName(layer);
    if (sessions.has(name)) continue;
    const { scale, softcap, sinkLogits } = layer.attention;
    const graph = attentionGraph(layer, { scale, softcap, hasSinks: sinkLogits !== undefined });
    sessions.set(name, await createSession(serializeGraph(graph)));
  }
  return sessions;
};

const variantName = ({ attention: { scale, softcap, sinkLogits }, ...sizes }: AttentionLayer): string =>
  JSON.stringify([
    sizes.queryHeads,
    sizes.kvHeads,
    sizes.headSize,
    sizes.valueSize,
    scale,
    softcap,
    sinkLogits !== undefined,
  ]);

const sinkTensor = (logits: readonly number[], { queryHeads, kvHeads }: LayerShape): Tensor =>
  new Tensor("float32", Float32Array.from(logits), [kvHeads, queryHeads / kvHeads, 1, 1]);
