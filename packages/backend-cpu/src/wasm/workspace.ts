import type { CacheShape } from "@kvtuner/plan";
import { aligned, type Arena } from "./arena.ts";
import { CHUNK_TOKENS } from "./chunk.ts";
import type { Engine } from "./engine.ts";
import { TILE_TOKENS } from "./layer-record.ts";
import { ROW_SEGMENT_BYTES } from "./segment-ends.ts";
import { mostRowsPerTask, mostStates, type SplitLimits } from "./threads/split.ts";

/** Memory for the numbers of one chunk, shared by the layers of an arena. */
export interface Workspace {
  /** f32 `[CHUNK_TOKENS][queryHeads * headSize]`; so is `output`. */
  readonly query: number;
  /** f32 `[CHUNK_TOKENS][kvHeads * headSize]`; so is `value`. */
  readonly key: number;
  readonly value: number;
  readonly output: number;
  /** Segment ends of `CHUNK_TOKENS` rows; see `segment-ends.ts`. */
  readonly segments: number;
  /** Scratch of the kernels; also fits f32 `[TILE_TOKENS][headSize]`. */
  readonly scratch: number;
  /** Scratch of the threads. */
  readonly threads?: ThreadWorkspace;
}

/** Memory that threads work in at the same time. */
export interface ThreadWorkspace {
  /** Address of the first thread's scratch, and the distance to the next thread's. */
  readonly scratch: number;
  readonly scratchStep: number;
  /** States of rows, consecutively. */
  readonly states: number;
}

/** Bytes of the scratch of the layers at `layerRecords`. */
const scratchBytes = (arena: Arena, layerRecords: readonly number[], { headSize }: CacheShape): number =>
  Math.max(
    4 * TILE_TOKENS * headSize,
    ...layerRecords.map((record) => arena.kernels.scratchBytes(record, CHUNK_TOKENS)),
  );

/** Allocates the workspace of layers whose records are written. */
export const createWorkspace = (
  { pool, limits }: Engine,
  arena: Arena,
  layerRecords: readonly number[],
  shape: CacheShape,
): Workspace => {
  const { queryHeads, kvHeads, headSize } = shape;
  const rowBytes = 4 * CHUNK_TOKENS * headSize;
  return {
    query: arena.allocate(queryHeads * rowBytes),
    key: arena.allocate(kvHeads * rowBytes),
    value: arena.allocate(kvHeads * rowBytes),
    output: arena.allocate(queryHeads * rowBytes),
    segments: arena.allocate(CHUNK_TOKENS * ROW_SEGMENT_BYTES),
    scratch: arena.allocate(scratchBytes(arena, layerRecords, shape)),
    ...(pool && { threads: threadWorkspace(arena, layerRecords, shape, limits) }),
  };
};

const threadWorkspace = (
  arena: Arena,
  layerRecords: readonly number[],
  shape: CacheShape,
  limits: SplitLimits,
): ThreadWorkspace => {
  const { kernels } = arena;
  const rows = mostRowsPerTask(shape, limits);
  const most = (bytes: (record: number) => number): number => Math.max(...layerRecords.map(bytes));
  const scratchStep = aligned(most((record) => kernels.scratchBytes(record, rows)));
  return {
    scratch: arena.allocate(limits.threads * scratchStep),
    scratchStep,
    states: arena.allocate(mostStates(limits) * most((record) => kernels.stateBytes(record))),
  };
};
