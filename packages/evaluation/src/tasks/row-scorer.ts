import type { CreateSession, Decoder } from "@kvtuner/decoder";
import { Tensor } from "onnxruntime-common";
import { createScoreSessions } from "../score-sessions.ts";

/** Rows of logits held at once. */
const CHUNK_ROWS = 64;

/** A plan's predictions at some rows. */
export interface RowScores {
  /** KL(float cache || plan) of each row, nats. */
  readonly kl: Float64Array;
  /** Likeliest token of each row; the lowest of equal ones. */
  readonly best: Int32Array;
  /** Log-probability of each row's wanted token; NaN if it has none. */
  readonly logProbability: Float64Array;
}

/** Turns some rows of last residuals into scores. */
export interface RowScorer {
  /**
   * @param residual float32 `[rows, hiddenSize]`
   * @param base the same of the float cache
   * @param wanted one token per row; negative for none
   */
  score(residual: Float32Array, base: Float32Array, wanted: Int32Array): Promise<RowScores>;
  dispose(): Promise<void>;
}

/** Compiles the scoring graphs for a decoder's vocabulary. */
export const createRowScorer = async (decoder: Decoder, createSession: CreateSession): Promise<RowScorer> => {
  const sessions = await createScoreSessions(decoder.vocabularySize, createSession);
  const width = decoder.config.hiddenSize;
  const vocabulary = decoder.vocabularySize;
  const logitsOf = async (residual: Float32Array, from: number, to: number, target: Float32Array): Promise<Tensor> =>
    decoder.head(
      new Tensor("float32", residual.subarray(from * width, to * width), [to - from, width]),
      target.subarray(0, (to - from) * vocabulary),
    );
  return {
    score: async (residual, base, wanted) => {
      const rows = wanted.length;
      const scores = {
        kl: new Float64Array(rows),
        best: new Int32Array(rows),
        logProbability: new Float64Array(rows).fill(Number.NaN),
      };
      // New arrays for every chunk would pile up as garbage.
      const target = new Float32Array(Math.min(CHUNK_ROWS, rows) * vocabulary);
      const normalized = new Float32Array(target.length);
      for (let from = 0; from < rows; from += CHUNK_ROWS) {
        const to = Math.min(rows, from + CHUNK_ROWS);
        const baseRows = normalized.subarray(0, (to - from) * vocabulary);
        const baseLogits = await logitsOf(base, from, to, target);
        await sessions.normalize(baseLogits, baseRows);
        const logits = residual === base ? baseLogits : await logitsOf(residual, from, to, target);
        const { kl, best, logSumExp } = await sessions.compare(logits, baseRows);
        scores.kl.set(kl, from);
        scores.best.set(best, from);
        const numbers = logits.data as Float32Array;
        for (let row = from; row < to; row++)
          if (wanted[row]! >= 0)
            scores.logProbability[row] = numbers[(row - from) * vocabulary + wanted[row]!]! - logSumExp[row - from]!;
      }
      return scores;
    },
    dispose: () => sessions.dispose(),
  };
};
