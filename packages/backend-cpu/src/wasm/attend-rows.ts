import { type LayerShape, tensorShape } from "@kvtuner/plan";
import type { Arena } from "./arena.ts";
import type { Workspace } from "./workspace.ts";

/** Attention of the rows whose queries and segments are in the workspace, into its output. */
export interface RowsCall {
  readonly arena: Arena;
  /** Address of the layer's record. */
  readonly layer: number;
  readonly shape: LayerShape;
  readonly sinks: number;
  /** Tokens that the last row reads; the cache holds the tokens of all rows. */
  readonly length: number;
  readonly rows: number;
  readonly workspace: Workspace;
}

/** Where the query and the output of one row and KV head are. */
export const placesOf = (
  { shape, workspace }: RowsCall,
  row: number,
  head: number,
): { readonly query: number; readonly output: number } => {
  const vector = 4 * (row * shape.queryHeads + (head * shape.queryHeads) / shape.kvHeads);
  return {
    query: workspace.query + vector * shape.headSize,
    output: workspace.output + vector * tensorShape(shape, "value").headSize,
  };
};

/** On the caller's thread. */
export const attendAlone = (call: RowsCall): void => {
  const { arena, layer, shape, rows, workspace } = call;
  for (let head = 0; head < shape.kvHeads; head++) {
    const { query, output } = placesOf(call, 0, head);
    arena.kernels.attend(workspace.scratch, layer, head, workspace.segments, rows, query, output);
  }
};
