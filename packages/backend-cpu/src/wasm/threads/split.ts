import type { LayerShape } from "@kvtuner/plan";
import { CHUNK_TOKENS } from "../chunk.ts";
import { TILE_TOKENS } from "../layer-record.ts";

/** How the attention of one chunk is split among threads. */
export type Split =
  | { readonly by: "nothing" }
  /** Each task is one KV head and `rowsPerTask` rows; the last may have fewer. */
  | { readonly by: "rows"; readonly rowsPerTask: number }
  /** Each task is one KV head, all rows and `tilesPerTask` tiles; the last may have fewer. A head's tasks are merged. */
  | { readonly by: "tiles"; readonly tilesPerTask: number; readonly tasksPerHead: number };

/** Minimum work to share out. */
export interface SplitLimits {
  readonly threads: number;
  /** Multiplications of queries and keys worth waking a worker for. */
  readonly leastWork: number;
  /** Tiles worth a task of their own. */
  readonly leastTiles: number;
}

/** About 80 microseconds of work. */
const LEAST_WORK = 2 ** 20;
const LEAST_TILES = 4;
/** Several per thread, so that threads of different speeds end at about the same time. */
const TASKS_PER_THREAD = 8;
/** More KV heads than any model has; more would make more tasks than a job can have. */
const MOST_HEADS = 256;
/** With this many tasks per thread, states need not be merged. */
const ENOUGH_PER_THREAD = 4;

/** The limits of `threads` threads. */
export const splitLimits = (threads: number): SplitLimits => ({
  threads,
  leastWork: LEAST_WORK,
  leastTiles: LEAST_TILES,
});

/** Splits `rows` rows, the last of a cache of `length` tokens. Prefers rows, which need no merging, to tiles. */
export const splitChunk = (
  { queryHeads, kvHeads, headSize }: LayerShape,
  sinks: number,
  length: number,
  rows: number,
  { threads, leastWork, leastTiles }: SplitLimits,
): Split => {
  if (rows * queryHeads * headSize * length < leastWork || kvHeads > MOST_HEADS) return { by: "nothing" };
  const pieces = rows * kvHeads;
  if (pieces >= ENOUGH_PER_THREAD * threads)
    return { by: "rows", rowsPerTask: Math.min(rows, Math.max(1, Math.floor(pieces / (TASKS_PER_THREAD * threads)))) };
  const tiles = Math.ceil((length - sinks) / TILE_TOKENS);
  const tasks = Math.min(Math.floor(tiles / leastTiles), Math.ceil((TASKS_PER_THREAD * threads) / pieces));
  if (tasks < 2) return kvHeads > 1 ? { by: "rows", rowsPerTask: rows } : { by: "nothing" };
  const tilesPerTask = Math.ceil(tiles / tasks);
  return { by: "tiles", tilesPerTask, tasksPerHead: Math.ceil(tiles / tilesPerTask) };
};

/** Maximum rows of a task by rows. */
export const mostRowsPerTask = ({ kvHeads }: LayerShape, { threads }: SplitLimits): number =>
  Math.min(
    CHUNK_TOKENS,
    Math.max(1, (CHUNK_TOKENS * kvHeads) / (TASKS_PER_THREAD * threads), (ENOUGH_PER_THREAD * threads) / kvHeads),
  );

/** Maximum states of all tasks by tiles (pieces times tasks), and of the states they start from (pieces). */
export const mostStates = ({ threads }: SplitLimits): number => (TASKS_PER_THREAD + 2 * ENOUGH_PER_THREAD) * threads;
