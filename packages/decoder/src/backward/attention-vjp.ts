import { type CacheShape, spanOf } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { openAttention } from "../attention/attention-kernel.ts";
import { tiledCalls } from "../attention/query-tiles.ts";
import type { CreateSession } from "../session.ts";
import { cotangentName, gradientName } from "./differentiate.ts";
import { addRows, putRows, type SampleRows, takeRows, zeroRows } from "./sample-rows.ts";
import { vjpModel } from "./vjp-model.ts";

/** Query, key and value of a whole sequence, as `AttentionCall` has them. */
export interface AttentionInputs {
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
}

/** Gradients of the keys and values that one or more holes read, `[samples, tokens, kvHeads * size]`. */
export interface CacheGradients {
  readonly key: SampleRows;
  readonly value: SampleRows;
}

/** The vector-Jacobian product of causal attention over whole sequences. */
export interface AttentionVjp {
  /**
   * Returns the gradient of the query, `[samples, tokens, queryHeads * headSize]`, and adds those of key and value to `cache`.
   *
   * @param cotangent of the attention output, `[samples, tokens, queryHeads * valueSize]`
   */
  run(hole: number, inputs: AttentionInputs, cotangent: SampleRows, cache: CacheGradients): Promise<SampleRows>;
  /** Releases the compiled graphs. */
  dispose(): Promise<void>;
}

/** Most scores, of all heads and samples, that are in memory at once, several times; and most queries. */
const MOST_SCORES = 2 ** 22;
const MOST_QUERIES = 128;

/** Queries that go through attention at once. */
const queriesAtOnce = (samples: number, queryHeads: number, tokens: number): number =>
  Math.max(1, Math.min(MOST_QUERIES, Math.floor(MOST_SCORES / (samples * queryHeads * tokens))));

/** Scores in memory at once. */
export const scoresAtOnce = (samples: number, queryHeads: number, tokens: number): number =>
  samples * queryHeads * tokens * Math.min(tokens, queriesAtOnce(samples, queryHeads, tokens));

const TENSORS = ["query", "key", "value"] as const;

/** Compiles it from the graph of attention. Queries are tiled: no matrix of all tokens by all tokens is held. */
export const createAttentionVjp = async (shape: CacheShape, createSession: CreateSession): Promise<AttentionVjp> => {
  const { holes, sessionOf, feedsOf, dispose } = await openAttention(shape, createSession, (attention) =>
    vjpModel(attention, { inputs: TENSORS }),
  );
  return {
    run: async (hole, inputs, cotangent, cache) => {
      const { queryHeads, attention } = holes[hole]!;
      const { samples, rows: tokens } = cotangent;
      const result = zeroRows(samples, tokens, inputs.query.length / tokens);
      const step = queriesAtOnce(samples, queryHeads, tokens);
      for (const { first, end, start, call } of tiledCalls(inputs, { to: tokens, span: spanOf(attention), step })) {
        const gradients = await sessionOf(hole).run({
          ...feedsOf(hole, call),
          [cotangentName("attention")]: tensorOf(cotangent, first, end),
        });
        const gradientOf = (name: string): Float32Array => gradients[gradientName(name)]!.data as Float32Array;
        putRows(result, first, gradientOf("query"));
        addRows(cache.key, start, gradientOf("key"));
        addRows(cache.value, start, gradientOf("value"));
      }
      return result;
    },
    dispose,
  };
};

/** Some rows of all samples as a tensor `[samples, rows, width]`. */
export const tensorOf = (source: SampleRows, from: number, to: number): Tensor =>
  new Tensor("float32", takeRows(source, from, to), [source.samples, to - from, source.width]);
