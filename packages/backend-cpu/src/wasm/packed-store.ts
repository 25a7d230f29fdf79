import type { CachePlan } from "@kvtuner/backend";
import type { CacheShape } from "@kvtuner/plan";
import { type Arena, createArena } from "./arena.ts";
import { PackedLayer } from "./packed-layer.ts";
import { createWorkspace, type Workspace } from "./workspace.ts";

/** The layers of a cache, and for each the workspace of its arena. */
export interface PackedStore {
  readonly layers: readonly PackedLayer[];
  readonly workspaces: readonly Workspace[];
}

/** Tokens that the arenas of a cache are to hold in 16 bits. */
const ROOMY_TOKENS = 131_072;
const ROOMY_ARENA_BYTES = 3 * 2 ** 30;
/** Engines reserve 8 GiB and more of addresses for a memory. */
const MAX_ARENAS = 8;

/** Empty layers, spread over as many arenas as a long text needs. */
export const createStore = async (
  module: WebAssembly.Module,
  shape: CacheShape,
  { layers }: CachePlan,
): Promise<PackedStore> => {
  const count = arenaCount(shape);
  const arenas = await Promise.all(Array.from({ length: count }, () => createArena(module)));
  const arenaOf = (layer: number): number => Math.floor((layer * count) / layers.length);
  const packed = layers.map((scheme, layer) => new PackedLayer(arenas[arenaOf(layer)]!, scheme, shape));
  const workspaces = arenas.map((arena) => createWorkspace(arena, recordsIn(arena, packed), shape));
  return { layers: packed, workspaces: layers.map((_, layer) => workspaces[arenaOf(layer)]!) };
};

const arenaCount = ({ layers, kvHeads, headSize }: CacheShape): number => {
  const bytes = 4 * layers * kvHeads * headSize * ROOMY_TOKENS;
  return Math.max(1, Math.min(layers, MAX_ARENAS, Math.ceil(bytes / ROOMY_ARENA_BYTES)));
};

const recordsIn = (arena: Arena, layers: readonly PackedLayer[]): number[] =>
  layers.filter((layer) => layer.arena === arena).map(({ address }) => address);
