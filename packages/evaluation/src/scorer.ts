import type { CreateSession, Decoder } from "@kvtuner/decoder";
import { Tensor } from "onnxruntime-common";
import type { ActivationStore } from "./activation-store.ts";
import { gatherRows } from "./gather-rows.ts";
import { COMPARED_COPIES, COMPARED_ROWS, createScoreSessions, type RowStatistics } from "./score-sessions.ts";

/** Rows of logits held at once. They, and what is computed from them, fit the processor's caches. */
const CHUNK_ROWS = 64;

/** Memory for the logits of a chunk and for the base's log-probabilities. New arrays for every chunk would pile up as garbage. */
interface LogitRows {
  readonly logits: Float32Array;
  readonly base: Float32Array;
}

const FLOAT32_BYTES = 4;

/** Memory that comparing a plan with the base takes, bytes. */
export const scoringBytes = (vocabularySize: number): number =>
  FLOAT32_BYTES * vocabularySize * (2 * CHUNK_ROWS + COMPARED_ROWS * COMPARED_COPIES);

const logitRows = (vocabulary: number, rows: number): LogitRows => {
  const length = Math.min(CHUNK_ROWS, rows) * vocabulary;
  return { logits: new Float32Array(length), base: new Float32Array(length) };
};

/** The float cache's predictions for one sample. */
export interface BaseSample {
  /** Log-probabilities of some ascending positions, float32 `[positions, vocabulary]`; `rows` may be overwritten. */
  logProbability(positions: readonly number[], rows: LogitRows): Promise<Float32Array>;
  readonly best: Int32Array;
  /** Mean negative log likelihood of tokens 1, 2, ..., nats. */
  readonly negativeLogLikelihood: number;
}

/** One plan against the base on one sample. */
export interface SampleScore {
  /** KL(base || plan), nats, mean over the scored positions. */
  readonly kl: number;
  /** Share of positions where plan and base have the same likeliest token. */
  readonly top1: number;
  /** Mean negative log likelihood of the tokens that follow the scored positions, nats. */
  readonly negativeLogLikelihood: number;
  /** Positions scored. */
  readonly positions: number;
  /** KL of each scored position, nats. */
  readonly positionKl: readonly number[];
}

/** Turns last residuals `[tokens, hiddenSize]` into scores. */
export interface Scorer {
  base(residual: Float32Array, ids: Int32Array): Promise<BaseSample>;
  /** Scores some plans on one sample, at positions 0, stride, 2 stride, ... The base's logits are computed once for all of them. */
  score(residuals: readonly Float32Array[], ids: Int32Array, base: BaseSample, stride: number): Promise<SampleScore[]>;
  dispose(): Promise<void>;
}

/** How the base is kept. */
export interface ScorerOptions {
  readonly decoder: Decoder;
  readonly createSession: CreateSession;
  /** Holds the base's residuals when its log-probabilities are not kept. */
  readonly store: ActivationStore;
  /** False computes the base's log-probabilities again for each call of `score`, and holds nothing of vocabulary size. */
  readonly keepBase: boolean;
}

/** Compiles the scoring graphs for a decoder's vocabulary. */
export const createScorer = async ({ decoder, createSession, store, keepBase }: ScorerOptions): Promise<Scorer> => {
  const sessions = await createScoreSessions(decoder.vocabularySize, createSession);
  const vocabulary = decoder.vocabularySize;
  const width = decoder.config.hiddenSize;
  const logitsOf = (residual: Float32Array, positions: readonly number[], { logits }: LogitRows): Promise<Tensor> =>
    decoder.head(
      new Tensor("float32", gatherRows(residual, width, positions), [positions.length, width]),
      logits.subarray(0, positions.length * vocabulary),
    );
  const normalized = async (
    residual: Float32Array,
    positions: readonly number[],
    rows: LogitRows,
    target: Float32Array = rows.base.subarray(0, positions.length * vocabulary),
  ): Promise<Float32Array> => {
    await sessions.normalize(await logitsOf(residual, positions, rows), target);
    return target;
  };
  return {
    base: async (residual, ids) => {
      const kept = keepBase ? new Float32Array(ids.length * vocabulary) : undefined;
      const held = kept ? undefined : await store.hold([residual.slice()]);
      const rows = logitRows(vocabulary, ids.length);
      const best = new Int32Array(ids.length);
      let loss = 0;
      for (const positions of chunks(ids.length, 1)) {
        const target = kept && gatherRows(kept, vocabulary, positions);
        const numbers = await normalized(residual, positions, rows, target);
        for (const [row, position] of positions.entries()) {
          best[position] = indexOfLargest(numbers, row * vocabulary, vocabulary);
          if (position + 1 < ids.length) loss -= numbers[row * vocabulary + ids[position + 1]!]!;
        }
      }
      return {
        logProbability: async (positions, target) =>
          kept ? gatherRows(kept, vocabulary, positions) : held!.use(([own]) => normalized(own!, positions, target)),
        best,
        negativeLogLikelihood: loss / (ids.length - 1),
      };
    },
    score: async (residuals, ids, base, stride) => {
      const sums = residuals.map((): Sums => ({ kl: 0, agreed: 0, positionKl: [], loss: 0, predictions: 0 }));
      const rows = logitRows(vocabulary, Math.ceil(ids.length / stride));
      for (const positions of chunks(ids.length, stride)) {
        const baseRows = await base.logProbability(positions, rows);
        for (const [plan, residual] of residuals.entries()) {
          const logits = await logitsOf(residual, positions, rows);
          const statistics = await sessions.compare(logits, baseRows);
          addChunk(sums[plan]!, statistics, logits.data as Float32Array, ids, base.best, positions);
        }
      }
      return sums.map(({ kl, agreed, positionKl, loss, predictions }) => ({
        kl: kl / positionKl.length,
        top1: agreed / positionKl.length,
        negativeLogLikelihood: loss / predictions,
        positions: positionKl.length,
        positionKl,
      }));
    },
    dispose: () => sessions.dispose(),
  };
};

interface Sums {
  kl: number;
  agreed: number;
  readonly positionKl: number[];
  loss: number;
  predictions: number;
}

const addChunk = (
  sums: Sums,
  { kl, logSumExp, best }: RowStatistics,
  logits: Float32Array,
  ids: Int32Array,
  baseBest: Int32Array,
  positions: readonly number[],
): void => {
  const vocabulary = logits.length / positions.length;
  for (const [row, position] of positions.entries()) {
    sums.kl += kl[row]!;
    sums.positionKl.push(kl[row]!);
    if (best[row] === baseBest[position]) sums.agreed++;
    const target = ids[position + 1];
    if (target === undefined) continue;
    sums.loss += logSumExp[row]! - logits[row * vocabulary + target]!;
    sums.predictions++;
  }
};

/** Positions 0, stride, ... below `length`, some at a time. */
const chunks = (length: number, stride: number): number[][] => {
  const count = Math.ceil(length / stride);
  return Array.from({ length: Math.ceil(count / CHUNK_ROWS) }, (_, chunk) =>
    Array.from(
      { length: Math.min(CHUNK_ROWS, count - chunk * CHUNK_ROWS) },
      (_, row) => (chunk * CHUNK_ROWS + row) * stride,
    ),
  );
};

const indexOfLargest = (values: Float32Array, start: number, length: number): number => {
  let best = 0;
  for (let index = 1; index < length; index++) if (values[start + index]! > values[start + best]!) best = index;
  return best;
};
