import { SearchError } from "./search-error.ts";

/**
 * Exact size of the region that `points` dominate and `reference` bounds, everything minimized: an area for two objectives,
 * a volume for three. Points that are not better than the reference in every objective add nothing; dominated points and
 * duplicates are harmless. O(n log n) for two objectives, O(n^2 log n) for three. Throws `SEARCH_BAD_REFERENCE` when the
 * reference is not 2 or 3 finite numbers or a point has another length or NaN.
 */
export const hypervolume = (points: readonly (readonly number[])[], reference: readonly number[]): number => {
  if (reference.length !== 2 && reference.length !== 3) throw badReference(`got ${reference.length}`);
  const odd = points.find((point) => point.length !== reference.length);
  if (odd) throw badReference(`got ${reference.length} and a point of ${odd.length}`);
  if (!reference.every(Number.isFinite)) throw badReference(`got the reference [${reference.join(", ")}]`);
  const broken = points.find((point) => point.some(Number.isNaN));
  if (broken) throw badReference(`got the point [${broken.join(", ")}]`);
  const inside = points.filter((point) => point.every((value, index) => value < reference[index]!));
  return reference.length === 2 ? area(inside, reference) : volume(inside, reference);
};

/** Sweeps the first objective upwards; each point adds the strip below the lowest second objective so far. */
const area = (points: readonly (readonly number[])[], reference: readonly number[]): number => {
  let sum = 0;
  let lowest = reference[1]!;
  for (const [x, y] of points.toSorted((a, b) => a[0]! - b[0]! || a[1]! - b[1]!) as [number, number][]) {
    if (y >= lowest) continue;
    sum += (reference[0]! - x) * (lowest - y);
    lowest = y;
  }
  return sum;
};

/** Sweeps the third objective upwards; between two heights the cross-section is the area of all points below. */
const volume = (points: readonly (readonly number[])[], reference: readonly number[]): number => {
  const layers = points.toSorted((a, b) => a[2]! - b[2]!);
  return layers.reduce((sum, point, index) => {
    const top = layers[index + 1]?.[2] ?? reference[2]!;
    if (top === point[2]) return sum;
    return sum + area(layers.slice(0, index + 1), reference) * (top - point[2]!);
  }, 0);
};

const badReference = (came: string): SearchError =>
  new SearchError(
    "SEARCH_BAD_REFERENCE",
    `expected a finite reference of 2 or 3 objectives and points of the same length without NaN, ${came}; ` +
      "drop points that were not measured, and use at most 3 objectives",
  );
