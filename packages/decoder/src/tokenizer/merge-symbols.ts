import { stringIndex } from "./string-index.ts";

/** Rank of merging two neighbours; the lowest merges first. Undefined if they do not merge. */
export type MergeRank = (left: string, right: string) => number | undefined;

/** Ranks of merges by a list of `left right`, the first first. */
export const listedRanks = (merges: readonly string[]): MergeRank => {
  const rankOf = stringIndex(merges);
  return (left, right) => rankOf(left, " ", right);
};

/** Two neighbours, by the offsets where the first begins, the second begins and the second ends. */
interface Pair {
  readonly rank: number;
  readonly start: number;
  readonly middle: number;
  readonly end: number;
}

/**
 * Merges the characters of a text into pieces, step by step: the two neighbours of the lowest rank, of equals those with
 * the longest left one, then the leftmost. Takes O(n log n) time.
 */
export const mergeSymbols = (text: string, rankOf: MergeRank): string[] => {
  /** By offset: where the piece that starts there ends, and where the one before it starts. Zero ends are no pieces. */
  const [ends, previous] = [new Int32Array(text.length), new Int32Array(text.length)];
  const queue: Pair[] = [];
  const propose = (start: number, middle: number): void => {
    if (start < 0 || middle >= text.length) return;
    const end = ends[middle]!;
    const rank = rankOf(text.slice(start, middle), text.slice(middle, end));
    if (rank !== undefined) add(queue, { rank, start, middle, end });
  };
  let last = -1;
  for (let start = 0; start < text.length; start = ends[start]!) {
    ends[start] = start + (text.codePointAt(start)! > 0xffff ? 2 : 1);
    previous[start] = last;
    propose(last, start);
    last = start;
  }
  for (let pair = take(queue); pair; pair = take(queue)) {
    const { start, middle, end } = pair;
    if (ends[start] !== middle || ends[middle] !== end) continue; // one of them has merged already
    ends[start] = end;
    ends[middle] = 0;
    if (end < text.length) previous[end] = start;
    propose(previous[start]!, start);
    propose(start, end);
  }
  const pieces: string[] = [];
  for (let start = 0; start < text.length; start = ends[start]!) pieces.push(text.slice(start, ends[start]));
  return pieces;
};

const isBefore = (one: Pair, other: Pair): boolean => {
  if (one.rank !== other.rank) return one.rank < other.rank;
  const [length, otherLength] = [one.middle - one.start, other.middle - other.start];
  return length === otherLength ? one.start < other.start : length > otherLength;
};

/** Adds to a binary heap. */
const add = (heap: Pair[], pair: Pair): void => {
  let place = heap.length;
  for (; place > 0; place = (place - 1) >> 1) {
    const parent = heap[(place - 1) >> 1]!;
    if (!isBefore(pair, parent)) break;
    heap[place] = parent;
  }
  heap[place] = pair;
};

/** Takes the first pair from a binary heap. */
const take = (heap: Pair[]): Pair | undefined => {
  const first = heap[0];
  const moved = heap.pop();
  if (first === undefined || moved === undefined || heap.length === 0) return first;
  let place = 0;
  for (;;) {
    let child = 2 * place + 1;
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
    if (child >= heap.length || !isBefore(heap[child]!, moved)) break;
    heap[place] = heap[child]!;
    place = child;
  }
  heap[place] = moved;
  return first;
};
