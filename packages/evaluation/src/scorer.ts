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
  /** KL(base || plan), nats, mean over all positions. */
  readonly kl: number;
  /** Share of positions whose most likely token is the base's. */
  readonly top1: number;
  /** Mean negative log likelihood of tokens 1 .. , nats. */
  readonly negativeLogLikelihood: number;
}

/** Turns last residuals into scores. */
export interface Scorer {
  base(residual: Float32Array, ids: Int32Array): Promise<BaseWindow>;
  score(residual: Float32Array, ids: Int32Array, base: BaseWindow): Promise<WindowScore>;
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
      await eachChunk(decoder, residual, async (logits, first) => {
        const output = await logProbability.run({ logits });
        all.set(output["log_probability"]!.data as Float32Array, first * vocabulary);
      });
      return { logProbability: all, best: bestTokens(all, ids.length), negativeLogLikelihood: meanLoss(all, ids) };
    },
    score: async (residual, ids, base) => {
      const sums = { kl: 0, agreed: 0, loss: 0 };
      await eachChunk(decoder, residual, async (logits, first) => {
        const baseRows = base.logProbability.subarray(first * vocabulary, first * vocabulary + logits.size);
        const output = await compare.run({ logits, base: new Tensor("float32", baseRows, logits.dims) });
        addChunk(sums, output as unknown as ChunkStatistics, logits.data as Float32Array, ids, base.best, first);
      });
      return {
        kl: sums.kl / ids.length,
        top1: sums.agreed / ids.length,
        negativeLogLikelihood: sums.loss / (ids.length - 1),
      };
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

const addChunk = (
  sums: { kl: number; agreed: number; loss: number },
  { mean, excess, best }: ChunkStatistics,
  logits: Float32Array,
  ids: Int32Array,
  baseBest: Int32Array,
  first: number,
): void => {
  const rows = mean.data.length;
  const vocabulary = logits.length / rows;
  for (let row = 0; row < rows; row++) {
    const kl = Math.log1p(Math.max(0, excess.data[row]!));
    sums.kl += kl;
    if (Number(best.data[row]) === baseBest[first + row]) sums.agreed++;
    const target = ids[first + row + 1];
    if (target !== undefined) sums.loss += mean.data[row]! + kl - logits[row * vocabulary + target]!;
  }
};

const eachChunk = async (
  decoder: Decoder,
  residual: Float32Array,
  visit: (logits: Tensor, firstRow: number) => Promise<void>,
): Promise<void> => {
  const width = decoder.config.hiddenSize;
  const rows = residual.length / width;
  for (let first = 0; first < rows; first += CHUNK_ROWS) {
    const end = Math.min(rows, first + CHUNK_ROWS);
    const part = new Tensor("float32", residual.subarray(first * width, end * width), [end - first, width]);
    await visit(await decoder.head(part), first);
  }
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
