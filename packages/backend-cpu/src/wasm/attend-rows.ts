import type { LayerShape } from "@kvtuner/plan";
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

/** Bytes from one row's queries, or output, to the next row's, and from one KV head's to the next one's. */
export const strides = ({
  queryHeads,
  kvHeads,
  headSize,
}: LayerShape): { readonly row: number; readonly head: number } => {
  const row = 4 * queryHeads * headSize;
  return { row, head: row / kvHeads };
};

/** On the caller's thread. */
export const attendAlone = ({ arena, layer, shape, rows, workspace }: RowsCall): void => {
  const stride = strides(shape);
  for (let head = 0; head < shape.kvHeads; head++) {
    const offset = head * stride.head;
    const [query, output] = [workspace.query + offset, workspace.output + offset];
    arena.kernels.attend(workspace.scratch, layer, head, workspace.segments, rows, query, output, stride.row);
  }
};
