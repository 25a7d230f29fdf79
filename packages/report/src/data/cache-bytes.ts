import {
  blockTokens,
  layerBytes,
  layerShape,
  layerShapes,
  layerSpan,
  parseShorthand,
  sizesOf,
  storedNumbers,
  type CacheShape,
  type LayerScheme,
  type LayerShape,
} from "@kvtuner/plan";

/** A layer in 16 bits. */
export const EXACT_LAYER: LayerScheme = parseShorthand("none").layer;

/** Bytes of the whole cache in 16 bits. */
export const exactCacheBytes = (shape: CacheShape, tokens: number): number => 2 * storedNumbers(shape, tokens);

/** Bytes of a cache at a length. */
export type BytesAt = (tokens: number) => number;

/** Bytes of a plan's layers at any length. Layers of equal scheme, sizes and span are counted once. */
export const bytesOfLayers = (layers: readonly LayerScheme[], shape: CacheShape): BytesAt => {
  const kinds = new Map<string, { readonly layer: LayerScheme; readonly sizes: LayerShape; count: number }>();
  for (const [index, layer] of layers.entries()) {
    const sizes = layerShape(sizesOf(shape), index);
    const key = JSON.stringify([layer, sizes]);
    const kind = kinds.get(key) ?? { layer, sizes, count: 0 };
    kind.count++;
    kinds.set(key, kind);
  }
  return (tokens) =>
    [...kinds.values()].reduce(
      (sum, { layer, sizes, count }) => sum + count * layerBytes(layer, sizes, tokens).total,
      0,
    );
};

/** Longest context to search; a longer one counts as this. */
const LONGEST = 2 ** 40;

/** The longest context to which a cache can grow without ever exceeding `budget` bytes. Bytes fall whenever a block is coded. */
export const largestContext = (
  bytesAt: BytesAt,
  layers: readonly LayerScheme[],
  shape: CacheShape,
  budget: number,
): number => {
  const rhythm = rhythmOf(layers);
  const starts = [0, ...spansOf(shape), LONGEST];
  for (const [index, start] of starts.slice(0, -1).entries()) {
    const over = firstOver(bytesAt, budget, rhythm, [start, starts[index + 1]!]);
    if (over !== undefined) return over - 1;
  }
  return LONGEST;
};

/** Spans in tokens, smallest first. */
const spansOf = (shape: CacheShape): number[] =>
  [...new Set(layerShapes(shape).map(layerSpan))].filter(Number.isFinite).toSorted((one, other) => one - other);

/** After a span is full, or from the start, bytes settle within `settle` tokens. Then every `period` adds equally many. */
interface Rhythm {
  readonly period: number;
  readonly settle: number;
}

const rhythmOf = (layers: readonly LayerScheme[]): Rhythm => {
  const period = layers.flatMap(({ key, value }) => [blockTokens(key), blockTokens(value)]).reduce(commonMultiple, 1);
  const uncoded = layers.map(({ residency: { sinks, recent } }) => sinks + recent);
  return { period, settle: Math.max(0, ...uncoded) + 2 * period };
};

const commonMultiple = (one: number, other: number): number => (one * other) / commonDivisor(one, other);

const commonDivisor = (one: number, other: number): number => (other === 0 ? one : commonDivisor(other, one % other));

/** The first length among `start .. end - 1` that exceeds the budget, if no span becomes full between them. */
const firstOver = (
  bytesAt: BytesAt,
  budget: number,
  { period, settle }: Rhythm,
  [start, end]: readonly [start: number, end: number],
): number | undefined => {
  const settled = Math.min(end, start + settle);
  for (let tokens = start; tokens < settled; tokens++) if (bytesAt(tokens) > budget) return tokens;
  const phases = Array.from({ length: Math.min(period, end - settled) }, (_, phase) => settled + phase);
  const first = phases.reduce((least, tokens) => {
    const room = budget - bytesAt(tokens);
    if (room < 0) return Math.min(least, tokens);
    const added = bytesAt(tokens + period) - bytesAt(tokens);
    return added > 0 ? Math.min(least, tokens + period * (Math.floor(room / added) + 1)) : least;
  }, Infinity);
  return first < end ? first : undefined;
};
