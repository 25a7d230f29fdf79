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
  /** Memory of the process at its peak, with a prompt of 512 tokens or more; without the cache. */
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

/** Tokens of a prompt that pass through the model together: more would take more memory, and gain nothing with compact weights. */
export const PROMPT_PIECE_TOKENS = 128;

/** Estimates from the header of a model what it takes to run it. */
export const runMemory = (gguf: GgufFile, weights: Weights): RunMemory => {
  const { diskBytes, anonymousBytes, mappedBytes, largestBytes } = segmentMemory(gguf, STORAGE[weights]);
  const { hiddenSize, layerSizes } = readConfig(gguf);
  const widest = Math.max(...layerSizes.map(({ feedForwardSize }) => feedForwardSize));
  const vocabulary = gguf.tensors.get("token_embd.weight")?.dims[1] ?? 0;
  const activations = FLOAT32_BYTES * PROMPT_PIECE_TOKENS * LIVE_ACTIVATIONS * (widest + hiddenSize);
  const anonymous = processMemory(vocabulary) + activations + anonymousBytes;
  return {
    diskBytes,
    peakBytes: anonymous + mappedBytes,
    anonymousBytes: anonymous,
    largestSegmentBytes: largestBytes,
  };
};
