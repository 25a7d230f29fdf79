import { backwardMemory, type BackwardSizes } from "@kvtuner/decoder";

/** Samples of one length whose gradients are computed. */
export interface GradientWork {
  readonly samples: number;
  /** Tokens of a sample. */
  readonly sampleLength: number;
  readonly draws: number;
  /** As in the options of `attentionGradients`, with a spill file. */
  readonly memoryBytes: number;
}

/** Estimates the memory of `attentionGradients` beside that of the decoder, bytes: of the process, and pages of files that it maps again. */
export const gradientMemory = (
  sizes: BackwardSizes,
  { samples, sampleLength, draws, memoryBytes }: GradientWork,
): { readonly anonymousBytes: number; readonly mappedBytes: number } => {
  const work = { texts: samples, tokens: sampleLength, samples: draws };
  const { heldBytes, workingBytes, mappedBytes } = backwardMemory(sizes, work);
  return { anonymousBytes: Math.min(heldBytes, memoryBytes) + workingBytes, mappedBytes };
};
