import type { Variant, VariantKind } from "./variant.ts";

/** Times of one variant at one context length, in milliseconds. */
export interface Measured {
  /** Of each decoded token. */
  readonly decodeMs: readonly number[];
  /** Times to fill the cache from empty with text; absent if it was filled with synthetic numbers. */
  readonly prefillMs?: number;
}

/** Times of one variant at one context. */
export interface VariantReport {
  readonly name: string;
  readonly kind: VariantKind;
  /** Threads that attend to the cache, if known; those of the weights are in the report's head. */
  readonly threads: number | undefined;
  /** Bytes of the cache at the context. */
  readonly cacheBytes: number;
  readonly decode: DecodeReport;
  /** Speed of filling the cache from empty with text; absent if synthetic numbers filled it. */
  readonly prefill?: PrefillReport;
}

/** Speedup of a variant over others, as the ratio of times. */
export interface Speedups {
  /** Over the first plan. */
  readonly overFirst: number;
  /** Over the fastest variant of the peer. */
  readonly overFastestPeer?: number;
  /** Over each variant of the peer, by name. */
  readonly overPeer?: Readonly<Record<string, number>>;
}

/** Milliseconds per generated token. */
export interface DecodeReport extends Speedups {
  readonly medianMs: number;
  readonly lowerQuartileMs: number;
  readonly upperQuartileMs: number;
  /** Tokens timed. */
  readonly samples: number;
}

/** Filling the cache. */
export interface PrefillReport extends Speedups {
  readonly timeMs: number;
  readonly tokensPerSecond: number;
}

/** All variants at one context. */
export interface ContextReport {
  /** Tokens in the cache. */
  readonly context: number;
  /** In the order given; the first plan first. */
  readonly variants: readonly VariantReport[];
}

/** Compares the times of all variants. */
export const contextReport = (
  context: number,
  variants: readonly Variant[],
  measured: readonly Measured[],
): ContextReport => {
  const decode = speedups(
    variants,
    measured.map(({ decodeMs }) => median(decodeMs)),
  );
  const prefill = speedups(
    variants,
    measured.map(({ prefillMs }) => prefillMs ?? Number.NaN),
  );
  return {
    context,
    variants: variants.map((variant, index) => {
      const { decodeMs, prefillMs } = measured[index]!;
      return {
        name: variant.name,
        kind: variant.kind,
        threads: variant.threads,
        cacheBytes: variant.bytesAt(context),
        decode: { ...decodeTimes(decodeMs), ...decode[index]! },
        ...(prefillMs !== undefined && {
          prefill: { timeMs: prefillMs, tokensPerSecond: (1000 * context) / prefillMs, ...prefill[index]! },
        }),
      };
    }),
  };
};

const decodeTimes = (times: readonly number[]): Omit<DecodeReport, keyof Speedups> => ({
  medianMs: median(times),
  lowerQuartileMs: quantile(times, 0.25),
  upperQuartileMs: quantile(times, 0.75),
  samples: times.length,
});

const speedups = (variants: readonly Variant[], timesMs: readonly number[]): Speedups[] => {
  const peers = variants.flatMap(({ kind, name }, index) =>
    kind === "peer" ? [[name, timesMs[index]!] as const] : [],
  );
  const fastestMs = Math.min(...peers.map(([, timeMs]) => timeMs));
  return timesMs.map((timeMs) => ({
    overFirst: timesMs[0]! / timeMs,
    ...(peers.length > 0 && {
      overFastestPeer: fastestMs / timeMs,
      overPeer: Object.fromEntries(peers.map(([name, peerMs]) => [name, peerMs / timeMs])),
    }),
  }));
};

/** Median. */
export const median = (numbers: readonly number[]): number => quantile(numbers, 0.5);

/** The number at a share of the sorted numbers, interpolated. */
const quantile = (numbers: readonly number[], share: number): number => {
  const sorted = numbers.toSorted((a, b) => a - b);
  const place = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(place)]!, sorted[Math.ceil(place)]!];
  return low + (high - low) * (place - Math.floor(place));
};
