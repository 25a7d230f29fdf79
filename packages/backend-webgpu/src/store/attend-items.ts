import { type Block, eachBlock } from "./blocks.ts";
import type { GpuLayer } from "./gpu-layer.ts";
import { packedTokens, TILE_TOKENS } from "./tensor-format.ts";

/** Tiles that one dispatch attends to. Keys are codes of one block or exact rows, and so are values. */
export interface AttendItem {
  readonly isKeyExact: boolean;
  readonly isValueExact: boolean;
  readonly isSinks: boolean;
  /** The codes' block; undefined when both are exact. */
  readonly block: Block | undefined;
  readonly firstTile: number;
  readonly endTile: number;
}

/**
 * Tiles that queries at `position .. position + tokens - 1` read, whose tokens the layer already holds: one item for each
 * combination of codes and exact rows. Kernels mask what a single query must not see. Items with codes of values come
 * first.
 */
export const attendItems = (layer: GpuLayer, position: number, tokens: number): AttendItem[] => {
  const { sinks } = layer.scheme.residency;
  const end = position + tokens;
  const items: AttendItem[] = [];
  for (const isValueExact of [false, true])
    for (const isKeyExact of [false, true])
      for (const item of itemsOf(layer, position, Math.max(0, end - sinks), isKeyExact, isValueExact)) items.push(item);
  if (sinks > 0)
    items.push({
      isKeyExact: true,
      isValueExact: true,
      isSinks: true,
      block: undefined,
      firstTile: 0,
      endTile: Math.ceil(Math.min(sinks, end) / TILE_TOKENS),
    });
  return items;
};

const itemsOf = (
  layer: GpuLayer,
  position: number,
  behind: number,
  isKeyExact: boolean,
  isValueExact: boolean,
): AttendItem[] => {
  const first = position + 1;
  const last = behind + layer.scheme.residency.sinks;
  let [from, to] = [0, behind];
  for (const [{ format }, isExact] of [
    [layer.key, isKeyExact],
    [layer.value, isValueExact],
  ] as const) {
    if (isExact && !format.isCoded) return [];
    if (isExact) from = Math.max(from, packedTokens(format, first));
    else to = Math.min(to, packedTokens(format, last));
  }
  if (from >= to) return [];
  const kinds = { isKeyExact, isValueExact, isSinks: false };
  if (isKeyExact && isValueExact) return [{ ...kinds, block: undefined, ...tilesOf(from, to) }];
  const items: AttendItem[] = [];
  eachBlock(layer.blocks, from, to, (block, start, stop) => items.push({ ...kinds, block, ...tilesOf(start, stop) }));
  return items;
};

const tilesOf = (from: number, to: number): Pick<AttendItem, "firstTile" | "endTile"> => ({
  firstTile: Math.floor(from / TILE_TOKENS),
  endTile: Math.ceil(to / TILE_TOKENS),
});
