import type { CacheShape } from "@kvtuner/plan";
import type { Arena } from "./arena.ts";
import { TILE_TOKENS } from "./layer-record.ts";

/** Tokens that are appended and attended to at a time: what a row carries from tile to tile then stays in the L2 cache. */
export const CHUNK_TOKENS = 64;

/** Memory for the numbers of one chunk, shared by the layers of an arena. */
export interface Workspace {
  /** f32 `[CHUNK_TOKENS][queryHeads * headSize]`; so is `output`. */
  readonly query: number;
  /** f32 `[CHUNK_TOKENS][kvHeads * headSize]`; so is `value`. */
  readonly key: number;
  readonly value: number;
  readonly output: number;
  /** What the kernels need beside: also room for f32 `[TILE_TOKENS][headSize]`. */
  readonly scratch: number;
}

/** Bytes of the scratch of the layers at `layerRecords`. */
const scratchBytes = (arena: Arena, layerRecords: readonly number[], { headSize }: CacheShape): number =>
  Math.max(
    4 * TILE_TOKENS * headSize,
    ...layerRecords.map((record) => arena.kernels.scratchBytes(record, CHUNK_TOKENS)),
  );

/** Allocates the workspace of the layers whose records are written. */
export const createWorkspace = (arena: Arena, layerRecords: readonly number[], shape: CacheShape): Workspace => {
  const { queryHeads, kvHeads, headSize } = shape;
  const rowBytes = 4 * CHUNK_TOKENS * headSize;
  return {
    query: arena.allocate(queryHeads * rowBytes),
    key: arena.allocate(kvHeads * rowBytes),
    value: arena.allocate(kvHeads * rowBytes),
    output: arena.allocate(queryHeads * rowBytes),
    scratch: arena.allocate(scratchBytes(arena, layerRecords, shape)),
  };
};
