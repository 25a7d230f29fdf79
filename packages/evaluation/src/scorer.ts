import { type CreateSession, type Decoder, serializeGraph } from "@kvtuner/decoder";
import { Tensor } from "onnxruntime-common";
import { logProbabilityGraph, scoreGraph } from "./score-graph.ts";

/** Rows of logits held at once: they, and what is computed from them, stay in the caches of the processor. */
const CHUNK_ROWS = 64;

/** What the float cache predicts for one window. */
export interface BaseWindow {
  /** Log-probabilities, float32 `[tokens, vocabulary]`. */
  readonly logProbability: Float32Array;
  readonly best: Int32Array;
  /** Mean negative log likelihood of tokens 1 .. , nats. */
  readonly negativeLogLikelihood: number;
}

/** One plan against the base on one window. */
export interface WindowScore {
  /** KL(base || plan), nats, mean over the scored positions. */
  readonly kl: number;
  /** Share of positions whose most likely token is the base's. */
  readonly top1: number;
  /** Mean negative log likelihood of the tokens that follow the scored positions, nats. */
  readonly negativeLogLikelihood: number;
  /** Positions scored. */
  readonly positions: number;
}

/** Turns last residuals `[tokens, hiddenSize]` into scores. */
export interface Scorer {
  base(residual: Float32Array, ids: Int32Array): Promise<BaseWindow>;
  /** Scores positions 0, stride, 2 stride, ... */
  score(residual: Float32Array, ids: Int32Array, base: BaseWindow, stride: number): Promise<WindowScore>;
  dispose(): Promise<void>;
}

/** Compiles the scoring graphs for a decoder's vocabulary. */
export const createScorer = async (decoder: Decoder, createSession: CreateSession): Promise<Scorer> => {
  const logProbability = await createSession(serializeGraph(logProbabilityGraph(decoder.vocabularySize)));
  const compare = await createSession(serializeGraph(scoreGraph(decoder.vocabularySize)));
  const vocabulary = decoder.vocabularySize;
  return {
    base: async (residual, ids) => {
      const all = new Float32Array(ids.length * vocabulary);
      for (const positions of chunks(ids.length, 1)) {
        const output = await logProbability.run({ logits: await logitsOf(decoder, residual, positions) });
        all.set(output["log_probability"]!.data as Float32Array, positions[0]! * vocabulary);
      }
      return { logProbability: all, best: bestTokens(all, ids.length), negativeLogLikelihood: meanLoss(all, ids) };
    },
    score: async (residual, ids, base, stride) => {
      const sums: Sums = { kl: 0, agreed: 0, positions: 0, loss: 0, predictions: 0 };
      for (const positions of chunks(ids.length, stride)) {
        const logits = await logitsOf(decoder, residual, positions);
        const baseRows = gatherRows(base.logProbability, vocabulary, positions);
        const output = await compare.run({ logits, base: new Tensor("float32", baseRows, logits.dims) });
        addChunk(sums, output as unknown as ChunkStatistics, logits.data as Float32Array, ids, base.best, positions);
      }
      const { kl, agreed, positions, loss, predictions } = sums;
      return { kl: kl / positions, top1: agreed / positions, negativeLogLikelihood: loss / predictions, positions };
    },
    dispose: async () => {
      await Promise.all([logProbability.release(), compare.release()]);
    },
  };
};

interface ChunkStatistics {
  readonly mean: { readonly data: Float32Array };
  readonly excess: { readonly data: Float32Array };
  readonly best: { readonly data: BigInt64Array };
}

interface Sums {
  kl: number;
  agreed: number;
  positions: number;
  loss: number;
  predictions: number;
}

const addChunk = (
  sums: Sums,
  { mean, excess, best }: ChunkStatistics,
  logits: Float32Array,
  ids: Int32Array,
  baseBest: Int32Array,
  positions: readonly number[],
): void => {
  const vocabulary = logits.length / positions.length;
  for (const [row, position] of positions.entries()) {
    const kl = Math.log1p(Math.max(0, excess.data[row]!));
    sums.kl += kl;
    sums.positions++;
    if (Number(best.data[row]) === baseBest[position]) sums.agreed++;
    const target = ids[position + 1];
    if (target === undefined) continue;
    sums.loss += mean.data[row]! + kl - logits[row * vocabulary + target]!;
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

const logitsOf = (decoder: Decoder, residual: Float32Array, positions: readonly number[]): Promise<Tensor> => {
  const width = decoder.config.hiddenSize;
  return decoder.head(new Tensor("float32", gatherRows(residual, width, positions), [positions.length, width]));
};

/** Rows of a row-major matrix; a view where they are neighbours. */
const gatherRows = (matrix: Float32Array, width: number, rows: readonly number[]): Float32Array => {
  const first = rows[0]!;
  if (rows.at(-1)! - first === rows.length - 1) return matrix.subarray(first * width, (first + rows.length) * width);
  const gathered = new Float32Array(rows.length * width);
  for (const [index, row] of rows.entries())
    gathered.set(matrix.subarray(row * width, (row + 1) * width), index * width);
  return gathered;
};

const bestTokens = (logProbability: Float32Array, rows: number): Int32Array => {
  const vocabulary = logProbability.length / rows;
  return Int32Array.from({ length: rows }, (_, row) => indexOfLargest(logProbability, row * vocabulary, vocabulary));
};

const indexOfLargest = (values: Float32Array, start: number, length: number): number => {
  let best = 0;
  for (let index = 1; index < length; index++) if (values[start + index]! > values[start + best]!) best = index;
  return best;
};

const meanLoss = (logProbability: Float32Array, ids: Int32Array): number => {
  const vocabulary = logProbability.length / ids.length;
  let loss = 0;
  for (let row = 0; row + 1 < ids.length; row++) loss -= logProbability[row * vocabulary + ids[row + 1]!]!;
  return loss / (ids.length - 1);
};
