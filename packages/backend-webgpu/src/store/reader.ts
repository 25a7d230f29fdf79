import { type AttentionSpec, type CacheShape, type LayerShape, sharingShape } from "@kvtuner/plan";
import type { Buffer } from "../device/buffer.ts";
import type { Engine } from "../device/engine.ts";
import type { GpuLayer } from "./gpu-layer.ts";
import { createSinkLogits } from "./sink-logits.ts";

/** A layer of the model whose queries read a stored layer: that layer itself, or one that shares its cache. */
export interface Reader {
  readonly stored: GpuLayer;
  /** Sizes, with the reader's own query heads. */
  readonly shape: LayerShape;
  readonly spec: AttentionSpec;
  /** float32 `[queryHeads]`, if the reader has sink logits. */
  readonly sinkLogits: Buffer | undefined;
}

/** A layer that shares the cache of another, which it names by number: stored layers are replaced now and then. */
export interface SharingLayer extends Omit<Reader, "stored"> {
  readonly cacheOf: number;
}

/**
 * The layers of a model that share caches.
 *
 * @throws OutOfMemoryError when the device is full
 */
export const createSharing = async (engine: Engine, shape: CacheShape): Promise<SharingLayer[]> => {
  const sharing: SharingLayer[] = [];
  try {
    for (const [index, { cacheOf }] of (shape.sharing ?? []).entries()) {
      const own = sharingShape(shape, index);
      sharing.push({
        cacheOf,
        shape: own,
        spec: own.attention,
        sinkLogits: await createSinkLogits(engine, own.attention),
      });
    }
    return sharing;
  } catch (error) {
    clearSharing(engine, sharing);
    throw error;
  }
};

/** Destroys their buffers. */
export const clearSharing = (engine: Engine, sharing: readonly SharingLayer[]): void => {
  for (const { sinkLogits } of sharing) if (sinkLogits) engine.destroy(sinkLogits);
};
