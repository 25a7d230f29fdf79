import type { GgufFile, WeightStorage } from "@kvtuner/decoder";
import { readConfig, segmentMemory } from "@kvtuner/decoder";

/** Ways to hold weights. */
export const WEIGHTS = ["compact", "exact"] as const;

/**
 * How weights are held: `compact` in 4 and 8 bits with int8 activations, which is fast and off by up to about 1 in the logits;
 * `exact` in float32, mapped from a file.
 */
export type Weights = (typeof WEIGHTS)[number];

/** The decoder's name of each. */
export const STORAGE: Readonly<Record<Weights, Exclude<WeightStorage, "stored">>> = {
  compact: "stored-int8",
  exact: "float32",
};

/** What one way to hold the weights takes while a model runs, bytes. */
export interface RunMemory {
  /** Files in the folder of segments. */
  readonly diskBytes: number;
  /** Memory of the process at its peak, with a prompt as long as a piece or longer; without the cache. */
  readonly peakBytes: number;
  /** The part of it that the system cannot drop, as it can pages of files. */
  readonly anonymousBytes: number;
  /** The most that one of the segments takes. */
  readonly largestSegmentBytes: number;
}

/**
 * Resident memory of Node 20 and onnxruntime-node 1.30 beside weights, at the end of a run on the CPU, measured: of the process,
 * and for each token of the vocabulary.
 */
const PROCESS_BYTES = 233e6;
const TOKEN_BYTES = 480;
/** Memory of the process beside weights, activations and caches, bytes. */
export const processMemory = (vocabularySize: number): number => PROCESS_BYTES + TOKEN_BYTES * vocabularySize;

/** Float32 numbers of the widest part of a segment that are alive at once for each token of a piece of a prompt. */
const LIVE_ACTIVATIONS = 8;
const FLOAT32_BYTES = 4;

/**
 * Most memory for activations, bytes. Each piece of a prompt reads all weights, so large pieces are fast, more so with float32
 * weights, which take four times as long to read as compact ones. Allocators may hold several times this much.
 */
const ACTIVATION_BYTES: Readonly<Record<Weights, number>> = { compact: 32e6, exact: 48e6 };

/** Tokens of a prompt that pass through the model together: beyond the most, speed gains nothing; below the least, it suffers. */
const MOST_PIECE_TOKENS = 512;
export const LEAST_PIECE_TOKENS = 128;

/** Tokens of a piece if memory is not limited. */
export const pieceTokens = (gguf: GgufFile, weights: Weights): number => {
  const tokens = Math.floor(ACTIVATION_BYTES[weights] / activationBytes(gguf));
  return Math.max(LEAST_PIECE_TOKENS, Math.min(MOST_PIECE_TOKENS, tokens));
};

/** Activations of a token, bytes. */
const activationBytes = (gguf: GgufFile): number => {
  const { hiddenSize, layerSizes } = readConfig(gguf);
  const widest = Math.max(...layerSizes.map(({ feedForwardSize }) => feedForwardSize));
  return FLOAT32_BYTES * LIVE_ACTIVATIONS * (widest + hiddenSize);
};

/** Estimates from the header of a model what it takes to run it, with pieces of so many tokens. */
export const runMemory = (gguf: GgufFile, weights: Weights, tokens: number = pieceTokens(gguf, weights)): RunMemory => {
  const { diskBytes, anonymousBytes, mappedBytes, largestBytes } = segmentMemory(gguf, STORAGE[weights]);
  const vocabulary = gguf.tensors.get("token_embd.weight")?.dims[1] ?? 0;
  const anonymous = processMemory(vocabulary) + tokens * activationBytes(gguf) + anonymousBytes;
  return {
    diskBytes,
    peakBytes: anonymous + mappedBytes,
    anonymousBytes: anonymous,
    largestSegmentBytes: largestBytes,
  };
};
