import {
  batchLogits,
  CacheSession,
  type Decoder,
  GREEDY,
  type RecurrentState,
  sampleToken,
  type SequenceCache,
} from "@kvtuner/decoder";

/** A cache that is disposed of when its output is done. */
export interface TaskCache extends SequenceCache {
  /** Releases the cache. */
  dispose?(): Promise<void> | void;
}

/** How prompts are continued. */
export interface GreedyOptions {
  readonly decoder: Decoder;
  /** Opens an empty cache; called once per prompt. */
  readonly openCache: () => Promise<TaskCache>;
  /** Token ids, at least one each. */
  readonly prompts: readonly Int32Array[];
  readonly endTokens: readonly number[];
  /** Maximum length of an output; a full context ends it earlier. */
  readonly maxTokens: number;
  /** Whether an output may end here: its text is complete, or can no longer match. */
  readonly isOver?: (prompt: number, output: readonly number[]) => boolean;
  /** Aborts between two tokens. */
  readonly signal?: AbortSignal;
}

/** Caches held at once. */
const BATCH = 16;

interface Running {
  readonly prompt: number;
  readonly cache: TaskCache;
  readonly state: RecurrentState;
  readonly output: number[];
}

/**
 * The greedy output of each prompt, without the token that ends it. Each prompt enters its cache first and is quantized;
 * the output then grows on top of it. Several prompts advance together, one row each per step.
 *
 * @throws GenerationError for a prompt that is empty or longer than the context
 */
export const greedyOutputs = async (options: GreedyOptions): Promise<number[][]> => {
  const outputs: number[][] = [];
  for (let start = 0; start < options.prompts.length; start += BATCH) {
    const end = Math.min(options.prompts.length, start + BATCH);
    const batch = Array.from({ length: end - start }, (_, index) => start + index);
    for (const output of await continueBatch(options, batch)) outputs.push(output);
  }
  return outputs;
};

const continueBatch = async (options: GreedyOptions, prompts: readonly number[]): Promise<number[][]> => {
  const all: Running[] = [];
  try {
    for (const prompt of prompts)
      all.push({ prompt, cache: await options.openCache(), state: options.decoder.createState(), output: [] });
    const logits: Float32Array[] = [];
    for (const one of all) logits.push(await prefill(options, one));
    let running = takeTokens(options, all, logits);
    while (running.length > 0) {
      options.signal?.throwIfAborted();
      const newest = running.map(({ cache, state, output }) => ({ cache, state, id: output.at(-1)! }));
      running = takeTokens(options, running, await batchLogits(options.decoder, newest));
    }
    return all.map(({ output }) => output);
  } finally {
    for (const { cache } of all) await cache.dispose?.();
  }
};

const prefill = async (
  { decoder, prompts, signal }: GreedyOptions,
  { prompt, cache, state }: Running,
): Promise<Float32Array> =>
  new CacheSession({ decoder, cache, state }).prompt(prompts[prompt]!, signal ? { signal } : {});

/** Adds the likeliest token to each output, and returns the outputs that continue. */
const takeTokens = (
  { decoder, endTokens, maxTokens, isOver }: GreedyOptions,
  running: readonly Running[],
  logits: readonly Float32Array[],
): Running[] =>
  running.filter(({ prompt, cache, output }, index) => {
    if (maxTokens === 0) return false;
    const token = sampleToken(logits[index]!, GREEDY);
    if (endTokens.includes(token)) return false;
    output.push(token);
    const isFull = output.length === maxTokens || cache.length === decoder.config.contextLength;
    return !isFull && isOver?.(prompt, output) !== true;
  });
