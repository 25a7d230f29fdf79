import type { RunContext } from "@kvtuner/tuning";
import { median } from "./statistics.ts";
import type { Variant } from "./variant.ts";

/** Tokens of one prefill call: llama.cpp's batch, and enough for our segments to be at full speed. */
export const PREFILL_TOKENS = 512;

/** Settings of a measurement. */
export interface MeasureSettings {
  /** Cache lengths, ascending. */
  readonly contexts: readonly number[];
  readonly fill: "text" | "synthetic";
  readonly rounds: number;
  /** Tokens decoded and counted in a round. */
  readonly tokens: number;
  /** The text: at least the largest context and {@link decodedTokens} behind it. */
  readonly ids: Int32Array;
}

/** Times of one variant at one context length, in milliseconds. */
export interface Measured {
  /** Of each decoded token. */
  readonly decodeMs: readonly number[];
  /** To fill the cache from empty with text, absent when it was filled with synthetic numbers. */
  readonly prefillMs?: number;
}

/** Tokens decoded in a round: the first one finds other variants' data in the processor's caches and is not counted. */
export const decodedTokens = (tokens: number): number => tokens + 1;

/**
 * Measures all variants at each context, interleaved: every piece of the text and every round of decoding is given to each
 * variant before the next one begins, in an order that rotates. The first piece is repeated `rounds` times; one round of
 * decoding is thrown away.
 *
 * @returns by context, then by variant
 */
export const measure = async (
  variants: readonly Variant[],
  settings: MeasureSettings,
  run: RunContext,
): Promise<Measured[][]> => {
  const results: Measured[][] = [];
  const prefill = new PrefillTimes(variants.length);
  let filled = 0;
  for (const context of settings.contexts) {
    if (settings.fill === "text") await fillWithText(variants, settings, prefill, filled, context, run);
    else await fillSynthetically(variants, context, run);
    filled = context;
    const decodeMs = await decodeRounds(variants, settings, context, run);
    results.push(
      variants.map((_, index) => ({
        decodeMs: decodeMs[index]!,
        ...(settings.fill === "text" && { prefillMs: prefill.total(index) }),
      })),
    );
  }
  return results;
};

const fillWithText = async (
  variants: readonly Variant[],
  { ids, rounds }: MeasureSettings,
  times: PrefillTimes,
  start: number,
  end: number,
  run: RunContext,
): Promise<void> => {
  for (let first = start; first < end; first += PREFILL_TOKENS) {
    const piece = ids.slice(first, Math.min(end, first + PREFILL_TOKENS));
    // What compiles on its first call is not timed; later pieces are long enough to be timed once.
    for (let round = first === 0 ? -1 : 0; round < (first === 0 ? rounds : 1); round++) {
      for (const index of rotated(variants.length, round)) {
        run.signal?.throwIfAborted();
        if (first === 0) await variants[index]!.clear();
        const timeMs = await variants[index]!.prefill(piece);
        if (round >= 0) times.add(index, first, timeMs);
      }
      run.progress({ step: "fill", done: first + piece.length, total: end });
    }
  }
};

const fillSynthetically = async (variants: readonly Variant[], context: number, run: RunContext): Promise<void> => {
  for (const [index, variant] of variants.entries()) {
    run.signal?.throwIfAborted();
    await variant.fill(context);
    run.progress({ step: "fill", done: index + 1, total: variants.length, note: `${context} tokens, ${variant.name}` });
  }
};

const decodeRounds = async (
  variants: readonly Variant[],
  { ids, rounds, tokens }: MeasureSettings,
  context: number,
  run: RunContext,
): Promise<number[][]> => {
  const times: number[][] = variants.map(() => []);
  const text = ids.slice(context, context + decodedTokens(tokens));
  for (let round = -1; round < rounds; round++) {
    for (const index of rotated(variants.length, round)) {
      run.signal?.throwIfAborted();
      const [, ...counted] = await variants[index]!.decode(text);
      if (round >= 0) times[index] = times[index]!.concat(counted);
    }
    run.progress({ step: "time", done: round + 1, total: rounds, note: `${context} tokens in the cache` });
  }
  return times;
};

/** All indexes, beginning with another one each round. */
const rotated = (count: number, round: number): number[] =>
  Array.from({ length: count }, (_, index) => (index + round + count) % count);

/** Prefill times by variant: pieces by their first token, each perhaps timed several times. */
class PrefillTimes {
  readonly #pieces: Map<number, number[]>[];

  constructor(variants: number) {
    this.#pieces = Array.from({ length: variants }, () => new Map());
  }

  add(variant: number, first: number, timeMs: number): void {
    const pieces = this.#pieces[variant]!;
    pieces.set(first, [...(pieces.get(first) ?? []), timeMs]);
  }

  /** Sum over all pieces until now of the median of each. */
  total(variant: number): number {
    return [...this.#pieces[variant]!.values()].reduce((sum, times) => sum + median(times), 0);
  }
}
