import { type SchemeAssets, type SchemeOf, tokenBits } from "@kvtuner/plan";
import { gaussianLevels } from "../gaussian-levels.ts";
import type { Rope } from "../rope.ts";

type TransformScheme = SchemeOf<"transform">;

/** A scheme and its assets for one KV head, ready for loops. Channels are those with at least 1 bit, or all if there is a metric, in order. */
export interface TransformTables {
  readonly scheme: TransformScheme;
  readonly headSize: number;
  /** Number in `z` of each channel. */
  readonly places: Int32Array;
  /** Bits of each channel, 0 to 8 or 16. */
  readonly widths: Uint8Array;
  /** Bits of a token: a logarithmic gain, then the codes in order. */
  readonly tokenBits: number;
  readonly mean?: Float32Array;
  readonly rotation: Rotation;
  /** The position embedding before which keys are coded. */
  readonly rope?: Rope;
  /** Levels of each channel at gain 1, from `starts[channel]`, ascending; none for float16. */
  readonly levels: Float32Array;
  readonly starts: Int32Array;
  /** `thresholds[i]`, between levels `i` and `i + 1`, from which numbers get the upper one. */
  readonly thresholds: Float32Array;
  /**
   * First guesses of codes: of channel `i`, four cells a level from `4 starts[i]`, even ones from the first threshold on. A number
   * is in cell `(number - first threshold) * cellsPerUnit[i]`.
   */
  readonly guesses: Uint8Array;
  readonly cellsPerUnit: Float64Array;
  /** `1 / (centre^2 + deviation^2)` of each channel: what its square is expected to be at gain 1. */
  readonly inversePowers: Float64Array;
  /** Channels with at least 1 bit. */
  readonly coded: number;
  readonly metric?: ShapedMetric;
}

/**
 * The metric of errors `e` of `z` as `sum of pivots_j (e_j + sum of feedback[j, k] e_k over k < j)^2`, with channels in an order: those of the
 * fewest bits first. So the codes of later channels can make up for the errors of earlier ones.
 */
export interface ShapedMetric {
  /** Channel at each place of the order. */
  readonly order: Int32Array;
  /** `[channels, channels]` in the order, below the diagonal. */
  readonly feedback: Float64Array;
  readonly pivots: Float64Array;
}

/** How `z` comes from a vector, and back. */
export type Rotation =
  | { readonly kind: "none" }
  | { readonly kind: "hadamard"; readonly signs?: Float32Array }
  /** Factors of each channel. */
  | { readonly kind: "diagonal"; readonly forward: Float32Array; readonly backward: Float32Array }
  /** Matrices: forward `[headSize, channels]`, backward `[channels, headSize]`. */
  | { readonly kind: "matrix"; readonly forward: Float64Array; readonly backward: Float64Array };

/** The tables of one KV head. Builds them once for the same assets. */
export const transformTables = (
  scheme: TransformScheme,
  assets: SchemeAssets,
  head: number,
  headSize: number,
): TransformTables => {
  const key = JSON.stringify([scheme, head, headSize]);
  const used = Object.values(assets);
  const known = knownFor(used[0] ?? NO_ASSETS);
  const found = known.get(key);
  if (found?.used.every((asset, index) => asset === used[index])) return found.tables;
  const tables = buildTables(scheme, assets, head, headSize);
  if (known.size >= MOST_KNOWN) known.clear();
  known.set(key, { used, tables });
  return tables;
};

interface KnownTables {
  readonly used: readonly object[];
  readonly tables: TransformTables;
}

const NO_ASSETS = {};
const MOST_KNOWN = 256;
const tablesByAsset = new WeakMap<object, Map<string, KnownTables>>();

const knownFor = (asset: object): Map<string, KnownTables> => {
  const known = tablesByAsset.get(asset) ?? new Map<string, KnownTables>();
  tablesByAsset.set(asset, known);
  return known;
};

const buildTables = (
  scheme: TransformScheme,
  assets: SchemeAssets,
  head: number,
  headSize: number,
): TransformTables => {
  const numbers = (field: string): Float32Array | undefined => assets[field]?.data as Float32Array | undefined;
  const { places, widths, all } = codedChannels(scheme, assets, head, headSize);
  const scales = ofHead(numbers("scales"), head, 2 * all);
  const centres = Float32Array.from(places, (place) => scales?.[place] ?? 0);
  const deviations = Float32Array.from(places, (place) => scales?.[all + place] ?? 1);
  const mean = ofHead(numbers("mean"), head, headSize);
  const frequencies = numbers("frequencies");
  const metric = ofHead(numbers("metric"), head, all * all);
  return {
    scheme,
    headSize,
    places,
    widths,
    tokenBits: tokenBits(scheme, headSize),
    ...(mean && { mean }),
    ...(frequencies && scheme.pairing !== "none" && { rope: { frequencies, pairing: scheme.pairing } }),
    rotation: rotationOf(scheme, assets, head, { headSize, places }),
    ...levelTables(widths, centres, deviations, ownLevels(numbers("levels"), scheme, assets, head, widths)),
    coded: widths.reduce((sum, width) => sum + Number(width > 0), 0),
    ...(metric && { metric: shapedMetric(metric, widths) }),
    inversePowers: Float64Array.from(places, (_, channel) => {
      if (widths[channel] === 0) return 0;
      const power = centres[channel]! ** 2 + deviations[channel]! ** 2;
      return power > 0 ? 1 / power : 0;
    }),
  };
};

const ofHead = (numbers: Float32Array | undefined, head: number, size: number): Float32Array | undefined =>
  numbers?.subarray(head * size, (head + 1) * size);

const codedChannels = (
  { bits }: TransformScheme,
  { widths, metric }: SchemeAssets,
  head: number,
  headSize: number,
): { readonly places: Int32Array; readonly widths: Uint8Array; readonly all: number } => {
  const all = widths?.shape[1] ?? headSize;
  const own = widths
    ? (widths.data.subarray(head * all, (head + 1) * all) as Uint8Array)
    : new Uint8Array(all).fill(bits as number);
  const places = Int32Array.from([...own.keys()].filter((place) => metric !== undefined || own[place]! > 0));
  return { places, widths: Uint8Array.from(places, (place) => own[place]!), all };
};

const levelCount = (width: number): number => (width === 0 || width === 16 ? 0 : 2 ** width);

/** This head's part of the plan's levels, which begin with those of the heads before it. */
const ownLevels = (
  levels: Float32Array | undefined,
  { bits }: TransformScheme,
  { widths: table }: SchemeAssets,
  head: number,
  widths: Uint8Array,
): Float32Array | undefined => {
  if (!levels) return undefined;
  const before = table
    ? table.data.subarray(0, head * table.shape[1]!)
    : new Uint8Array(head * widths.length).fill(bits as number);
  const start = (before as Uint8Array).reduce((sum, width) => sum + levelCount(width), 0);
  return levels.subarray(start, start + widths.reduce((sum, width) => sum + levelCount(width), 0));
};

const levelTables = (
  widths: Uint8Array,
  centres: Float32Array,
  deviations: Float32Array,
  own: Float32Array | undefined,
): Pick<TransformTables, "levels" | "starts" | "thresholds" | "guesses" | "cellsPerUnit"> => {
  const total = widths.reduce((sum, width) => sum + levelCount(width), 0);
  const [levels, thresholds, starts] = [
    new Float32Array(total),
    new Float32Array(total),
    new Int32Array(widths.length),
  ];
  let start = 0;
  for (const [channel, width] of widths.entries()) {
    starts[channel] = start;
    const count = levelCount(width);
    const standard = own ? own.subarray(start, start + count) : count > 0 ? gaussianLevels(width) : [];
    for (const [code, level] of standard.entries())
      levels[start + code] = Math.fround(deviations[channel]! * level) + centres[channel]!;
    for (let code = start; code < start + count - 1; code++) thresholds[code] = (levels[code]! + levels[code + 1]!) / 2;
    start += count;
  }
  return { levels, starts, thresholds, ...guessesOf({ widths, starts, thresholds }) };
};

const guessesOf = ({
  widths,
  starts,
  thresholds,
}: Pick<TransformTables, "widths" | "starts" | "thresholds">): Pick<TransformTables, "guesses" | "cellsPerUnit"> => {
  const guesses = new Uint8Array(4 * thresholds.length);
  const cellsPerUnit = Float64Array.from(widths, (width, channel) => {
    const [start, count] = [starts[channel]!, levelCount(width)];
    const [first, last] = [thresholds[start]!, thresholds[start + count - 2]!];
    if (!(last > first)) return 0;
    const perUnit = (4 * count) / (last - first);
    for (let cell = 0, code = 0; cell < 4 * count; cell++) {
      while (code < count - 1 && thresholds[start + code]! <= first + cell / perUnit) code++;
      guesses[4 * start + cell] = code;
    }
    return perUnit;
  });
  return { guesses, cellsPerUnit };
};

/** The factors `A' D A` of a symmetric matrix, `A` lower triangular with ones on its diagonal. Pivots of a broken matrix stay positive. */
const shapedMetric = (metric: Float32Array, widths: Uint8Array): ShapedMetric => {
  const size = widths.length;
  const order = Int32Array.from(widths.keys()).sort((one, other) => widths[one]! - widths[other]! || one - other);
  const rest = Float64Array.from({ length: size * size }, (_, index) => {
    return metric[order[Math.floor(index / size)]! * size + order[index % size]!]!;
  });
  const feedback = new Float64Array(size * size);
  const pivots = new Float64Array(size);
  for (let last = size - 1; last >= 0; last--) {
    const own = metric[order[last]! * (size + 1)]!;
    const pivot = Math.max(rest[last * (size + 1)]!, LEAST_PIVOT * own);
    pivots[last] = pivot;
    for (let row = 0; row < last; row++) feedback[last * size + row] = rest[row * size + last]! / pivot;
    for (let row = 0; row < last; row++)
      for (let column = 0; column < last; column++)
        rest[row * size + column]! -= pivot * feedback[last * size + row]! * feedback[last * size + column]!;
  }
  return { order, feedback, pivots };
};

/** Of the metric's own number. */
const LEAST_PIVOT = 1e-6;

const rotationOf = (
  { rotation, signs }: TransformScheme,
  { rotation: table }: SchemeAssets,
  head: number,
  { headSize, places }: Pick<TransformTables, "headSize" | "places">,
): Rotation => {
  if (rotation === "hadamard")
    return signs === "none" ? { kind: "hadamard" } : { kind: "hadamard", signs: randomSigns(signs, headSize) };
  if (!table) return { kind: "none" };
  const isDiagonal = table.shape.length === 3;
  const channels = isDiagonal ? 1 : table.shape[3]!;
  const [forward, backward] = [0, 1].map((way) =>
    (table.data as Float32Array).subarray(
      (2 * head + way) * headSize * channels,
      (2 * head + way + 1) * headSize * channels,
    ),
  ) as [Float32Array, Float32Array];
  if (isDiagonal) {
    const [f, b] = [forward, backward].map((factors) => Float32Array.from(places, (place) => factors[place]!));
    return { kind: "diagonal", forward: f!, backward: b! };
  }
  const [rows, columns] = [headSize, places.length];
  const packed = new Float64Array(rows * columns);
  const transposed = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++)
    for (const [column, place] of places.entries()) {
      packed[row * columns + column] = forward[row * channels + place]!;
      transposed[column * rows + row] = backward[row * channels + place]!;
    }
  return { kind: "matrix", forward: packed, backward: transposed };
};

/** Signs from the highest bits of a linear congruential generator (Knuth's MMIX multiplier's low half, modulo 2^32). */
const randomSigns = (seed: number, count: number): Float32Array => {
  let state = seed >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state >>> 31 ? -1 : 1;
  });
};
