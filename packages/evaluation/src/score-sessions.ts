import { type CreateSession, serializeGraph } from "@kvtuner/decoder";
import { Tensor } from "onnxruntime-common";
import { logProbabilityGraph, scoreGraph } from "./score-graph.ts";

/** Comparison of logits with the float cache's, one number per row. */
export interface RowStatistics {
  /** KL(base || plan), nats. */
  readonly kl: Float64Array;
  /** Log of the sum of the exponentials of the plan's logits. */
  readonly logSumExp: Float64Array;
  /** The plan's likeliest token; the lowest of equal ones. */
  readonly best: Int32Array;
}

/** Turns logits `[rows, vocabulary]` into figures. */
export interface ScoreSessions {
  /** Log-probabilities, with the logits' dims. */
  normalize(logits: Tensor): Promise<Float32Array>;
  /** @param base log-probabilities, as long as the logits */
  compare(logits: Tensor, base: Float32Array): Promise<RowStatistics>;
  dispose(): Promise<void>;
}

/** Compiles the scoring graphs for a vocabulary. */
export const createScoreSessions = async (vocabulary: number, createSession: CreateSession): Promise<ScoreSessions> => {
  const normalizer = await createSession(serializeGraph(logProbabilityGraph(vocabulary)));
  const comparer = await createSession(serializeGraph(scoreGraph(vocabulary))).catch(async (error: unknown) => {
    await normalizer.release();
    throw error;
  });
  return {
    normalize: async (logits) => (await normalizer.run({ logits }))["log_probability"]!.data as Float32Array,
    compare: async (logits, base) => {
      const { mean, excess, best } = await comparer.run({ logits, base: new Tensor("float32", base, logits.dims) });
      return rowStatistics(
        mean!.data as Float32Array,
        excess!.data as Float32Array,
        best!.data as unknown as BigInt64Array,
      );
    },
    dispose: async () => {
      await Promise.all([normalizer.release(), comparer.release()]);
    },
  };
};

const rowStatistics = (mean: Float32Array, excess: Float32Array, best: BigInt64Array): RowStatistics => {
  const kl = Float64Array.from(excess, (value) => Math.log1p(Math.max(0, value)));
  return { kl, logSumExp: kl.map((value, row) => value + mean[row]!), best: Int32Array.from(best, Number) };
};
