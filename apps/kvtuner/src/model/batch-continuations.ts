import { batchAttention, FloatAttention, forward, sampleToken, seededRandom, type Decoder } from "@kvtuner/decoder";
import type { ContinuationOptions } from "@kvtuner/tuning";
import { Tensor } from "onnxruntime-common";

/** Input of {@link batchContinuations}. */
export interface ContinuationModel {
  readonly decoder: Decoder;
  encode(text: string): Int32Array;
  /** Tokens that end a text; never sampled here. */
  readonly endTokens: readonly number[];
}

interface Sequence {
  readonly attention: FloatAttention;
  readonly sample: (logits: Float32Array) => number;
  readonly ids: number[];
}

/**
 * Continues every prompt by the same number of tokens, in one batch. Samples at temperature 1 from the whole distribution,
 * which is text as the model sees it. Each prompt has its own generator, so its text does not depend on the others.
 */
export const batchContinuations = async (
  model: ContinuationModel,
  prompts: readonly string[],
  { tokens, seed, onProgress }: ContinuationOptions,
): Promise<Int32Array[]> => {
  const sequences: Sequence[] = [];
  for (const [index, prompt] of prompts.entries()) sequences.push(await prefill(model, prompt, seed + index));
  for (let step = 1; step < tokens; step++) {
    onProgress?.(step, tokens);
    await extend(model.decoder, sequences);
  }
  onProgress?.(tokens, tokens);
  return sequences.map(({ ids }) => Int32Array.from(ids));
};

const prefill = async (
  { decoder, encode, endTokens }: ContinuationModel,
  prompt: string,
  seed: number,
): Promise<Sequence> => {
  const attention = new FloatAttention(decoder.shape, decoder.attention);
  const ids = encode(prompt);
  const residual = await forward(decoder, ids, [...ids.keys()], attention);
  const sequence = { attention, sample: sampler(seed, endTokens), ids: [] as number[] };
  const last = rowOf(residual, ids.length - 1);
  sequence.ids.push(sequence.sample((await decoder.head(last)).data as Float32Array));
  return sequence;
};

/** Adds one token to every sequence: row `i` of the batch is the newest token of sequence `i`. */
const extend = async (decoder: Decoder, sequences: readonly Sequence[]): Promise<void> => {
  const newest = sequences.map(({ ids }) => ids.at(-1) ?? 0);
  const positions = sequences.map(({ attention }) => attention.length);
  const residual = await forward(
    decoder,
    newest,
    positions,
    batchAttention(sequences.map(({ attention }) => attention)),
    sequences.length,
  );
  const logits = await decoder.head(residual);
  for (const [row, { ids, sample }] of sequences.entries()) ids.push(sample(rowOf(logits, row).data as Float32Array));
};

const rowOf = (tensor: Tensor, row: number): Tensor => {
  const width = tensor.dims[1] ?? 0;
  return new Tensor("float32", (tensor.data as Float32Array).subarray(row * width, (row + 1) * width), [1, width]);
};

/** Draws from softmax(logits) without the end tokens. */
const sampler = (seed: number, endTokens: readonly number[]): ((logits: Float32Array) => number) => {
  const random = seededRandom(seed);
  return (logits) => {
    const allowed = logits.slice();
    for (const token of endTokens) if (token < allowed.length) allowed[token] = -Infinity;
    return sampleToken(allowed, { temperature: 1, random });
  };
};
