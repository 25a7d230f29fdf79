import { type CreateSession, runInto, serializeGraph } from "@kvtuner/decoder";
import { Tensor } from "onnxruntime-common";
import { logProbabilityGraph, scoreGraph } from "./score-graph.ts";

/** Rows compared at once. Their intermediate results, several times the logits, nearly fit the processor's caches. */
export const COMPARED_ROWS = 16;

/** Arrays as large as the logits of these rows that are alive at once, at most. */
export const COMPARED_COPIES = 5;

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
  /** Log-probabilities, with the logits' dims, in `target`, which is as long as the logits. */
  normalize(logits: Tensor, target: Float32Array): Promise<void>;
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
    normalize: async (logits, target) => {
      await runInto(normalizer, { logits }, { log_probability: new Tensor("float32", target, logits.dims) });
    },
    compare: async (logits, base) => {
      const parts: RowStatistics[] = [];
      const numbers = logits.data as Float32Array;
      for (let start = 0; start < numbers.length; start += COMPARED_ROWS * vocabulary) {
        const end = Math.min(numbers.length, start + COMPARED_ROWS * vocabulary);
        const rows = (all: Float32Array): Tensor =>
          new Tensor("float32", all.subarray(start, end), [(end - start) / vocabulary, vocabulary]);
        const { mean, excess, best } = await comparer.run({ logits: rows(numbers), base: rows(base) });
        parts.push(
          rowStatistics(
            mean!.data as Float32Array,
            excess!.data as Float32Array,
            best!.data as unknown as BigInt64Array,
          ),
        );
      }
      return joinRows(parts);
    },
    dispose: async () => {
      await Promise.all([normalizer.release(), comparer.release()]);
    },
  };
};

const joinRows = (parts: readonly RowStatistics[]): RowStatistics => ({
  kl: Float64Array.from(parts.flatMap(({ kl }) => [...kl])),
  logSumExp: Float64Array.from(parts.flatMap(({ logSumExp }) => [...logSumExp])),
  best: Int32Array.from(parts.flatMap(({ best }) => [...best])),
});

const rowStatistics = (mean: Float32Array, excess: Float32Array, best: BigInt64Array): RowStatistics => {
  const kl = Float64Array.from(excess, (value) => Math.log1p(Math.max(0, value)));
  return { kl, logSumExp: kl.map((value, row) => value + mean[row]!), best: Int32Array.from(best, Number) };
};
