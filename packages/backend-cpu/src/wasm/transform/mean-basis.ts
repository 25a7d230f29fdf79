import { TILE_TOKENS } from "../layer-record.ts";

/**
 * A basis for sums of sinusoids of given frequencies over the places of a tile. Those of fast frequencies are in it themselves. Sums of
 * slow ones are interpolated from Chebyshev nodes, of which few are enough.
 */
export interface MeanBasis {
  readonly fast: number;
  readonly slow: number;
  readonly nodes: number;
  /** Indices of the frequencies: the fast ones, then the slow ones. */
  readonly order: readonly number[];
  /** `[nodes, 2 * slow]`, rows up to a multiple of 4: cosine and sine of each slow frequency at a node. */
  readonly atNodes: Float32Array;
  /** `[2 * fast + nodes, TILE_TOKENS]`: cosine and sine of each fast frequency, then what each node counts. */
  readonly rows: Float32Array;
}

/** Largest error of an interpolated sinusoid. */
const TOLERANCE = 3e-7;
const MIDDLE = (TILE_TOKENS - 1) / 2;

/** The basis with the fewest rows. */
export const meanBasis = (frequencies: readonly number[]): MeanBasis => {
  const order = [...frequencies.keys()].sort((a, b) => Math.abs(frequencies[b]!) - Math.abs(frequencies[a]!));
  const sorted = order.map((index) => frequencies[index]!);
  const rowsFor = sorted.map((frequency, fast) => 2 * fast + nodesFor(Math.abs(frequency)));
  rowsFor.push(2 * sorted.length);
  const fast = rowsFor.indexOf(Math.min(...rowsFor));
  const nodes = rowsFor[fast]! - 2 * fast;
  const places = nodePlaces(nodes);
  return {
    fast,
    slow: sorted.length - fast,
    nodes,
    order,
    atNodes: slowAtNodes(sorted.slice(fast), places),
    rows: Float32Array.from([
      ...sorted.slice(0, fast).flatMap(sinusoids),
      ...places.flatMap((_, node) => counts(places, node)),
    ]),
  };
};

/** By the error bound of Chebyshev interpolation, `(x / 2)^n / n! * 2`, with x the angle from the middle of a tile to its end. */
const nodesFor = (frequency: number): number => {
  let bound = 2;
  for (let nodes = 1; nodes < TILE_TOKENS; nodes++) {
    bound *= (frequency * MIDDLE) / 2 / nodes;
    if (bound < TOLERANCE) return nodes;
  }
  return TILE_TOKENS;
};

const nodePlaces = (nodes: number): number[] =>
  Array.from({ length: nodes }, (_, node) => MIDDLE * (1 + Math.cos((Math.PI * (node + 0.5)) / nodes)));

const sinusoids = (frequency: number): number[] =>
  [Math.cos, Math.sin].flatMap((of) => Array.from({ length: TILE_TOKENS }, (_, place) => of(place * frequency)));

const slowAtNodes = (frequencies: readonly number[], places: readonly number[]): Float32Array => {
  const width = 4 * Math.ceil(frequencies.length / 2);
  const numbers = new Float32Array(places.length * width);
  for (const [node, place] of places.entries())
    for (const [index, frequency] of frequencies.entries())
      numbers.set([Math.cos(place * frequency), Math.sin(place * frequency)], node * width + 2 * index);
  return numbers;
};

/** What a node counts at each place: 1 at its own, 0 at those of others (Lagrange). */
const counts = (places: readonly number[], node: number): number[] =>
  Array.from({ length: TILE_TOKENS }, (_, at) =>
    places.reduce((product, other, index) => {
      return index === node ? product : (product * (at - other)) / (places[node]! - other);
    }, 1),
  );
