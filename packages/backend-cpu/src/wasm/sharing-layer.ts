import type { SharedRows } from "@kvtuner/backend";
import type { AttentionSpec, LayerShape } from "@kvtuner/plan";
import { CHUNK_TOKENS } from "./chunk.ts";
import { copyTables, LAYER_RECORD_BYTES, sinkLogitBytes, writeAttention, writeLayerRecord } from "./layer-record.ts";
import { createOutput, type PackedLayer } from "./packed-layer.ts";
import type { Workspace } from "./workspace.ts";

/** A layer that reads the cache of another, in the same arena: a record of its own, with the other's tables. */
export interface PackedSharing {
  readonly stored: PackedLayer;
  readonly shape: LayerShape;
  /** Address of its record. */
  readonly address: number;
}

/** A layer that shares the cache of `stored`. */
export const shareLayer = (
  stored: PackedLayer,
  shape: LayerShape & { readonly attention: AttentionSpec },
): PackedSharing => {
  const { arena } = stored;
  const address = arena.allocate(LAYER_RECORD_BYTES);
  const sinkLogits = arena.allocate(sinkLogitBytes(shape.attention));
  writeLayerRecord(arena.words, address, stored.scheme, shape);
  writeAttention(arena.words, address, shape.attention, sinkLogits);
  copyTables(arena.words, stored.address, address);
  return { stored, shape, address };
};

/** Attends for the newest tokens of the other layer, chunk by chunk. */
export const readShared = (sharing: PackedSharing, rows: SharedRows, workspace: Workspace): Float32Array => {
  const { stored, address } = sharing;
  const output = createOutput(sharing.shape, rows.tokens);
  const before = stored.length - rows.tokens;
  copyTables(stored.arena.words, stored.address, address);
  for (let first = 0; first < rows.tokens; first += CHUNK_TOKENS) {
    const tokens = Math.min(CHUNK_TOKENS, rows.tokens - first);
    stored.attendChunk(sharing, rows.query, output, { first, tokens, length: before + first + tokens }, workspace);
  }
  if (rows.isLast) stored.release();
  return output;
};
