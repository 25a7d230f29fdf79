/**
 * What a row of queries reads. Keys, and values, are three segments, oldest first, each from where the one before it ends: exact
 * tokens, coded ones, exact ones. The coded segment begins at the first token that may be coded; the last one ends with the
 * row's own token. Which tokens are coded is the host's rule (`src/wasm/segment-ends.ts`), and a later row has no fewer.
 *
 * The ends of a row are i32 `[2][3]`, first of the keys; those of the next row follow.
 */
const SEGMENTS: usize = 3;

/** The segment that is coded. */
export const CODED: i32 = 1;

/** Offsets of the ends of the keys and of the values. */
export const KEY_ENDS: usize = 0;
export const VALUE_ENDS: usize = SEGMENTS << 2;

/** Segments of a row. */
// @ts-ignore: decorator
@inline
export function segmentsOf(segments: usize, row: i32): usize {
  return segments + <usize>row * (SEGMENTS << 3);
}

// @ts-ignore: decorator
@inline
export function isCoded(segment: i32): bool {
  return segment === CODED;
}

/** First token after a segment. */
// @ts-ignore: decorator
@inline
export function endOf(ends: usize, segment: i32): i32 {
  return load<i32>(ends + (<usize>segment << 2));
}

/** Tokens that a row reads, its own included. */
// @ts-ignore: decorator
@inline
export function lengthOf(segments: usize): i32 {
  return endOf(segments, <i32>SEGMENTS - 1);
}
