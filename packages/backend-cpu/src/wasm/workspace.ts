import { type LayerShape, tensorShape } from "@kvtuner/plan";
import { aligned, type Arena } from "./arena.ts";
import { CHUNK_TOKENS } from "./chunk.ts";
import type { Engine } from "./engine.ts";
import { TILE_TOKENS } from "./layer-record.ts";
import { ROW_SEGMENT_BYTES } from "./segment-ends.ts";
import { mostRowsPerTask, mostStates, type SplitLimits } from "./threads/split.ts";

/** Memory for the numbers of one chunk, shared by the layers of an arena. */
export interface Workspace {
  /** f32 `[CHUNK_TOKENS][queryHeads * headSize]` of the largest layer; `output` has the values' size. */
  readonly query: number;
  /** f32 `[CHUNK_TOKENS][kvHeads * headSize]`; `value` has the values' size. */
  readonly key: number;
  readonly value: number;
  readonly output: number;
  /** Segment ends of `CHUNK_TOKENS` rows; see `segment-ends.ts`. */
  readonly segments: number;
  /** Scratch of the kernels; also fits what encoding needs. */
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

/** A layer that works here; its record is written. */
interface WorkspaceLayer {
  readonly address: number;
  readonly shape: LayerShape;
}

/** Allocates a workspace as large as the largest of some layers needs. */
export const createWorkspace = (
  { pool, limits }: Engine,
  arena: Arena,
  layers: readonly WorkspaceLayer[],
): Workspace => {
  const { kernels } = arena;
  const most = (bytesOf: (layer: WorkspaceLayer) => number): number => Math.max(...layers.map(bytesOf));
  const rowBytes = (heads: "queryHeads" | "kvHeads", tensor: "key" | "value"): number =>
    most(({ shape }) => 4 * CHUNK_TOKENS * shape[heads] * tensorShape(shape, tensor).headSize);
  const encodingBytes = (tensor: "key" | "value"): number =>
    most(({ shape }) => tileBytes(tensorShape(shape, tensor).headSize));
  const scratchBytes = most(({ address }) => kernels.scratchBytes(address, CHUNK_TOKENS));
  return {
    query: arena.allocate(rowBytes("queryHeads", "key")),
    key: arena.allocate(rowBytes("kvHeads", "key")),
    value: arena.allocate(rowBytes("kvHeads", "value")),
    output: arena.allocate(rowBytes("queryHeads", "value")),
    segments: arena.allocate(CHUNK_TOKENS * ROW_SEGMENT_BYTES),
    scratch: arena.allocate(Math.max(encodingBytes("key"), encodingBytes("value"), scratchBytes)),
    ...(pool && { threads: threadWorkspace(arena, layers, limits) }),
  };
};

/** f32 `[TILE_TOKENS][headSize]`, then the arrays of one token of `kernels/transform-encoder.ts`. */
const tileBytes = (headSize: number): number => 4 * TILE_TOKENS * headSize + 36 * (headSize + 4);

const threadWorkspace = (arena: Arena, layers: readonly WorkspaceLayer[], limits: SplitLimits): ThreadWorkspace => {
  const { kernels } = arena;
  const ofRows = layers.map(({ address, shape }) => kernels.scratchBytes(address, mostRowsPerTask(shape, limits)));
  const scratchStep = aligned(Math.max(...ofRows));
  const stateBytes = Math.max(...layers.map(({ address }) => kernels.stateBytes(address)));
  return {
    scratch: arena.allocate(limits.threads * scratchStep),
    scratchStep,
    states: arena.allocate(mostStates(limits) * stateBytes),
  };
};
