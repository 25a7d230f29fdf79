import { attendAlone, placesOf, type RowsCall } from "../attend-rows.ts";
import type { Engine } from "../engine.ts";
import { ROW_SEGMENT_BYTES } from "../segment-ends.ts";
import type { ThreadWorkspace } from "../workspace.ts";
import type { TaskKernel } from "./control.ts";
import { splitChunk } from "./split.ts";
import type { ThreadPool } from "./thread-pool.ts";

/** Attention that shares large work out among the threads of a pool. */
export const attendOnThreads =
  ({ limits }: Engine, pool: ThreadPool) =>
  (call: RowsCall): void => {
    const split = splitChunk(call.shape, call.sinks, call.length, call.rows, limits);
    if (split.by === "rows") attendByRows(pool, call, split.rowsPerTask);
    else if (split.by === "tiles") attendByTiles(pool, call, split.tilesPerTask, split.tasksPerHead);
    else attendAlone(call);
  };

const attendByRows = (pool: ThreadPool, call: RowsCall, rowsPerTask: number): void => {
  const { layer, shape, rows, workspace } = call;
  const tasks: number[][] = [];
  for (let first = 0; first < rows; first += rowsPerTask)
    for (let head = 0; head < shape.kvHeads; head++) {
      const count = Math.min(rowsPerTask, rows - first);
      const { query, output } = placesOf(call, first, head);
      const segments = workspace.segments + first * ROW_SEGMENT_BYTES;
      tasks.push([layer, head, segments, count, query, output]);
    }
  runTasks(pool, call, "attend", tasks);
};

/** The caller starts the states of all heads and merges them at the end; each takes about as long as a tile. */
const attendByTiles = (pool: ThreadPool, call: RowsCall, tilesPerTask: number, tasksPerHead: number): void => {
  const { arena, layer, shape, rows, workspace } = call;
  const { kernels } = arena;
  const { scratch, states } = threadWorkspace(call);
  const stateBytes = rows * kernels.stateBytes(layer);
  const begunOf = (head: number): number => states + head * stateBytes;
  const partOf = (head: number, index: number): number =>
    begunOf(shape.kvHeads) + (head * tasksPerHead + index) * stateBytes;
  for (let head = 0; head < shape.kvHeads; head++) {
    const { query } = placesOf(call, 0, head);
    kernels.beginRows(scratch, layer, head, workspace.segments, rows, query, begunOf(head));
  }
  const tasks: number[][] = [];
  for (let head = 0; head < shape.kvHeads; head++)
    for (let index = 0; index < tasksPerHead; index++) {
      const from = index * tilesPerTask;
      const [begun, part] = [begunOf(head), partOf(head, index)];
      tasks.push([layer, head, workspace.segments, rows, from, from + tilesPerTask, begun, part]);
    }
  runTasks(pool, call, "attendPart", tasks);
  for (let head = 0; head < shape.kvHeads; head++) {
    const sum = partOf(head, 0);
    for (let index = 1; index < tasksPerHead; index++)
      kernels.mergePart(layer, rows, sum, partOf(head, index), begunOf(head));
    kernels.endRows(layer, head, rows, sum, placesOf(call, 0, head).output);
  }
};

const runTasks = (pool: ThreadPool, call: RowsCall, kernel: TaskKernel, tasks: readonly number[][]): void => {
  const { kernels, id } = call.arena;
  const { scratch, scratchStep } = threadWorkspace(call);
  const run: (scratch: number, ...task: never) => void = kernels[kernel];
  pool.run({ arenaId: id, kernel, tasks, scratch, scratchStep }, (own, task) => run(own, ...(task as never)));
};

const threadWorkspace = ({ workspace }: RowsCall): ThreadWorkspace => workspace.threads!;
