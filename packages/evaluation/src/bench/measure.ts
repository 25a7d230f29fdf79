import { type ContextReport, contextReport, type Measured, median } from "./report.ts";
import type { Variant } from "./variant.ts";

/** Tokens of one prefill call: llama.cpp's batch, and enough for our segments to reach full speed. */
const PREFILL_TOKENS = 512;

/** Settings of a measurement. */
export interface MeasureSettings {
  /** Cache lengths, ascending. */
  readonly contexts: readonly number[];
  readonly fill: "text" | "synthetic";
  readonly rounds: number;
  /** Tokens decoded and counted in a round. */
  readonly tokens: number;
  /** The text: at least the largest context and {@link decodedTokens} after it. */
  readonly ids: Int32Array;
}

/** Where to report progress, and when to stop. */
export interface MeasureRun {
  /** Receives progress. */
  readonly progress: (progress: MeasureProgress) => void;
  readonly signal?: AbortSignal;
}

/** Progress of a measurement. */
export interface MeasureProgress {
  readonly step: "fill" | "time";
  readonly done: number;
  readonly total: number;
  readonly note?: string;
}

/** Tokens decoded in a round. The first finds other variants' data in the processor's caches and does not count. */
export const decodedTokens = (tokens: number): number => tokens + 1;

/** Measures all variants in turns, and compares them at each context. */
export const timeVariants = async (
  variants: readonly Variant[],
  settings: MeasureSettings,
  run: MeasureRun,
): Promise<ContextReport[]> => {
  const measured = await measure(variants, settings, run);
  return settings.contexts.map((context, index) => contextReport(context, variants, measured[index]!));
};

/**
 * Measures all variants at each context, interleaved: each variant gets a piece of the text, or a round of decoding, before
 * the next one starts, in rotating order. The first piece is repeated `rounds` times. One round of decoding is discarded.
 *
 * @returns by context, then by variant
 */
export const measure = async (
  variants: readonly Variant[],
  settings: MeasureSettings,
  run: MeasureRun,
): Promise<Measured[][]> => {
  const results: Measured[][] = [];
  const isText = settings.fill === "text";
  const prefillMs = variants.map(() => 0);
  let filled = 0;
  for (const context of settings.contexts) {
    if (isText) await fillWithText(variants, settings, prefillMs, [filled, context], run);
    else await fillSynthetically(variants, context, run);
    filled = context;
    const decodeMs = await decodeRounds(variants, settings, context, run);
    results.push(
      decodeMs.map((times, index) => ({ decodeMs: times, ...(isText && { prefillMs: prefillMs[index]! }) })),
    );
  }
  return results;
};

/** Adds to `totalMs`, for every piece of the text, the median of each variant's times. */
const fillWithText = async (
  variants: readonly Variant[],
  { ids, rounds }: MeasureSettings,
  totalMs: number[],
  [start, end]: readonly [number, number],
  run: MeasureRun,
): Promise<void> => {
  for (let first = start; first < end; first += PREFILL_TOKENS) {
    const piece = ids.slice(first, Math.min(end, first + PREFILL_TOKENS));
    const prefill = async (variant: Variant): Promise<number[]> => {
      if (first === 0) await variant.clear();
      return [await variant.prefill(piece)];
    };
    // The first call may compile, so it is not timed. Later pieces are long enough to time once.
    const [from, to] = first === 0 ? [-1, rounds] : [0, 1];
    const times = await inTurns(variants, prefill, [from, to], run, () => ({
      step: "fill",
      done: first + piece.length,
      total: end,
    }));
    for (const [index, each] of times.entries()) totalMs[index]! += median(each);
  }
};

const fillSynthetically = async (variants: readonly Variant[], context: number, run: MeasureRun): Promise<void> => {
  for (const [index, variant] of variants.entries()) {
    run.signal?.throwIfAborted();
    await variant.fill(context);
    run.progress({ step: "fill", done: index + 1, total: variants.length, note: `${context} tokens, ${variant.name}` });
  }
};

const decodeRounds = (
  variants: readonly Variant[],
  { ids, rounds, tokens }: MeasureSettings,
  context: number,
  run: MeasureRun,
): Promise<number[][]> => {
  const text = ids.slice(context, context + decodedTokens(tokens));
  const decode = async (variant: Variant): Promise<number[]> => (await variant.decode(text)).slice(1);
  const note = `${context} tokens in the cache`;
  return inTurns(variants, decode, [-1, rounds], run, (round) => ({
    step: "time",
    done: round + 1,
    total: rounds,
    note,
  }));
};

/** Runs each variant once per round, starting with another one each round. Returns each one's times, from round 0 on. */
const inTurns = async (
  variants: readonly Variant[],
  work: (variant: Variant) => Promise<number[]>,
  [from, to]: readonly [number, number],
  run: MeasureRun,
  progressAfter: (round: number) => MeasureProgress,
): Promise<number[][]> => {
  const { length } = variants;
  const times: number[][] = variants.map(() => []);
  for (let round = from; round < to; round++) {
    for (let turn = 0; turn < length; turn++) {
      run.signal?.throwIfAborted();
      const index = (turn + round + length) % length;
      const timesMs = await work(variants[index]!);
      if (round >= 0) times[index] = times[index]!.concat(timesMs);
    }
    run.progress(progressAfter(round));
  }
  return times;
};
