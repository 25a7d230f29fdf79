import type { CacheLimits, CachePlan } from "@kvtuner/backend";
import { attentionOf, layerShape, sharingShape } from "@kvtuner/plan";
import { arenaOfLayers } from "./arena-of-layers.ts";
import { type Arena, createArena } from "./arena.ts";
import type { Engine } from "./engine.ts";
import { assertFloat8Scales } from "./float8-scales.ts";
import { PackedLayer } from "./packed-layer.ts";
import { type PackedSharing, shareLayer } from "./sharing-layer.ts";
import { createWorkspace, type Workspace } from "./workspace.ts";

/** The parts of a backend that a WebAssembly store uses. */
export interface KernelOwner {
  readonly engine: Engine;
  readonly capabilities: CacheLimits;
}

/** The layers of a cache, each with the workspace of its arena. */
export interface PackedStore {
  readonly layers: PackedLayer[];
  readonly workspaces: Workspace[];
  /** Layers that share the cache of another. */
  readonly sharing: PackedSharing[];
  readonly arenas: Arena[];
}

/**
 * Empty layers, spread over as many arenas as a full cache needs.
 *
 * @throws UnsupportedSchemeError for fixed scales of float8 that are too large
 * @throws OutOfMemoryError when no addresses are left
 * @throws ThreadFailure `BACKEND_THREAD_FAILED` when a worker cannot use them
 */
export const createStore = async ({ engine, capabilities }: KernelOwner, plan: CachePlan): Promise<PackedStore> => {
  assertFloat8Scales(plan);
  const places = arenaOfLayers(plan, capabilities);
  const arenas = await Promise.all(Array.from({ length: places.at(-1)! + 1 }, () => createArena(engine)));
  const layers = plan.layers.map(
    (scheme, index) =>
      new PackedLayer(
        engine,
        arenas[places[index]!]!,
        scheme,
        layerShape(plan.shape, index),
        attentionOf(plan.shape, index),
        plan.shape.sharing?.some(({ cacheOf }) => cacheOf === index),
        plan.assets,
      ),
  );
  const sharing = (plan.shape.sharing ?? []).map(({ cacheOf }, index) =>
    shareLayer(layers[cacheOf]!, sharingShape(plan.shape, index)),
  );
  const workspaces = arenas.map((arena) =>
    createWorkspace(engine, arena, [
      ...layers.filter((layer) => layer.arena === arena),
      ...sharing.filter(({ stored }) => stored.arena === arena),
    ]),
  );
  await engine.pool?.add(arenas);
  return { layers, workspaces: places.map((place) => workspaces[place]!), sharing, arenas };
};

/** Makes the threads release the memories, which must not be used afterwards. */
export const releaseArenas = async ({ pool }: Engine, arenas: readonly Arena[]): Promise<void> => pool?.remove(arenas);

/**
 * Reserves the bytes that every layer needs, for all layers together.
 *
 * @throws OutOfMemoryError if one does not fit; the cache has not changed then
 */
export const ensureAll = (
  layers: readonly PackedLayer[],
  neededBytes: (layer: PackedLayer, index: number) => number,
): void => {
  const bytesOf = new Map<Arena, number>();
  for (const [index, layer] of layers.entries())
    bytesOf.set(layer.arena, (bytesOf.get(layer.arena) ?? 0) + neededBytes(layer, index));
  for (const [arena, sizeBytes] of bytesOf) arena.ensure(sizeBytes);
};
