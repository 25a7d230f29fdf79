import { type CacheShape, holeShape, holesOf } from "@kvtuner/plan";
import type { DecoderConfig } from "../architecture/config.ts";
import { FILED_HEAD_BYTES } from "../segments/head-pieces.ts";
import { scoresAtOnce } from "./attention-vjp.ts";
import { numbersAtOnce } from "./head-vjp.ts";
import { recurrentMemory } from "./recurrent-memory.ts";
import { MOST_ROWS } from "./segment-vjp.ts";

/** Sizes of a model that the memory of its gradients depends on. */
export interface BackwardSizes {
  readonly config: Pick<DecoderConfig, "hiddenSize" | "layerSizes" | "recurrentLayers">;
  readonly shape: CacheShape;
  readonly vocabularySize: number;
}

/** Texts of one length, and scalar functions of their logits. */
export interface BackwardWork {
  readonly texts: number;
  /** Tokens of a text. */
  readonly tokens: number;
  readonly samples: number;
}

/** Memory of `backward` beside that of the decoder, bytes. */
export interface BackwardMemory {
  /** Held by the `StateStore`, at most. */
  readonly heldBytes: number;
  /** Beside that, at its peak. */
  readonly workingBytes: number;
  /** Pages of files that are mapped again, at the peak: those of the head. */
  readonly mappedBytes: number;
}

const FLOAT32_BYTES = 4;

/** Numbers of the widest part of a segment that are alive at once for each row, forward and with its derived graph. */
const LIVE_FORWARD = 3;
const LIVE_DERIVED = 8;
/** Matrices of scores that are alive at once in the derived graph of attention. */
const LIVE_SCORES = 4;

/** Estimates what `backward` takes, with weights in files. */
export const backwardMemory = (sizes: BackwardSizes, { texts, tokens, samples }: BackwardWork): BackwardMemory => {
  const { hiddenSize, layerSizes } = sizes.config;
  const recurrent = recurrentMemory(sizes, tokens, samples);
  const widest = hiddenSize + Math.max(recurrent.width, ...layerSizes.map(({ feedForwardSize }) => feedForwardSize));
  const holes = holesOf(sizes.shape).map((hole) => widthsOf(sizes, hole));
  const inputs = Math.max(recurrent.crossing, ...holes.map((own) => own.inputs));
  const states = holes.reduce((sum, own) => sum + own.inputs + own.output, hiddenSize);
  const between = Math.max(...holes.map((own) => own.inputs + own.output + hiddenSize));
  const queryHeads = Math.max(...holes.map((own) => own.queryHeads));
  const forward = texts * tokens * inputs + tokens * LIVE_FORWARD * widest;
  const head = headNumbers(sizes, tokens, samples) + samples * tokens * hiddenSize;
  const derived = Math.max(
    Math.min(MOST_ROWS, samples * tokens) * LIVE_DERIVED * widest,
    samples * recurrent.rows * LIVE_DERIVED * widest + recurrent.weights * LIVE_SCORES,
    scoresAtOnce(samples, queryHeads, tokens) * LIVE_SCORES,
  );
  const back = tokens * between + samples * tokens * between + derived;
  return {
    heldBytes: FLOAT32_BYTES * texts * (tokens * (states + samples * inputs) + recurrent.held),
    workingBytes: FLOAT32_BYTES * Math.max(forward, head, back),
    mappedBytes: headBytes(sizes),
  };
};

/** Numbers per token before a hole, with its query, key and value, and after its attention. */
const widthsOf = (
  { config, shape }: BackwardSizes,
  hole: ReturnType<typeof holesOf>[number],
): { readonly inputs: number; readonly output: number; readonly queryHeads: number } => {
  const { queryHeads, kvHeads, headSize, valueSize = headSize } = holeShape(shape, hole);
  const cache = hole.sharing === undefined ? kvHeads * (headSize + valueSize) : 0;
  return { inputs: config.hiddenSize + queryHeads * headSize + cache, output: queryHeads * valueSize, queryHeads };
};

/** Logits of some rows, their cotangents, and a copy of those of a piece of the head. */
const headNumbers = (
  { config, vocabularySize }: Omit<BackwardSizes, "shape">,
  tokens: number,
  samples: number,
): number => {
  const cotangents = numbersAtOnce(samples, tokens, vocabularySize);
  const pieces = Math.ceil(headBytes({ config, vocabularySize }) / FILED_HEAD_BYTES);
  return cotangents * (1 + 1 / samples + (pieces > 1 ? 1 / pieces : 0));
};

const headBytes = ({ config, vocabularySize }: Omit<BackwardSizes, "shape">): number =>
  FLOAT32_BYTES * vocabularySize * config.hiddenSize;
