import { type CacheShape, planBytes } from "@kvtuner/plan";
import { assertFits } from "./append.ts";
import type { Backend, CachePlan, KvCache } from "./backend.ts";
import type { CacheStore } from "./cache-store.ts";
import type { Capabilities } from "./capabilities.ts";
import { assertAlive } from "./disposed.ts";
import { assertPlanSupported } from "./plan-support.ts";
import type { CacheImage } from "./snapshot/cache-image.ts";
import { readSnapshot } from "./snapshot/read-snapshot.ts";
import { StoredCache } from "./stored-cache.ts";

/** The parts that differ between backends. */
export interface BackendDefinition {
  readonly name: string;
  readonly capabilities: Capabilities;
  /** Creates the storage of one cache, empty or with the contents of `image`. Plan and image are already validated. */
  createStore(plan: CachePlan, image?: CacheImage): CacheStore | Promise<CacheStore>;
  /** Throws if no cache can be created any more, for example after a device loss. */
  assertUsable?(): void;
  /** Releases all resources of the backend. Called once. */
  dispose?(): void | Promise<void>;
}

/**
 * Creates a backend from storage. The rest is the same for all backends and implemented here: checks of plans, calls, limits
 * and snapshots, the order of calls, and use after `dispose`.
 */
export const defineBackend = (definition: BackendDefinition): Backend => {
  const { name, capabilities, createStore } = definition;
  const owner = { name, capabilities, disposed: false };
  let disposal: void | Promise<void>;
  const assertUsable = (): void => {
    assertAlive(owner.disposed, "backend");
    definition.assertUsable?.();
  };
  const assertSupported = (shape: CacheShape, plan: CachePlan): void => {
    assertUsable();
    assertPlanSupported(name, capabilities, shape, plan);
  };
  /** Uses the model's own shape, because the plan's does not say how layers attend. */
  const cacheOf = async (plan: CachePlan, image?: CacheImage): Promise<KvCache> =>
    new StoredCache(owner, plan, await createStore(plan, image));
  return {
    specVersion: 1,
    name,
    capabilities,
    createCache: async (shape, plan) => {
      assertSupported(shape, plan);
      return cacheOf({ ...plan, shape });
    },
    restoreCache: async (shape, plan, snapshot) => {
      assertSupported(shape, plan);
      const image = await readSnapshot(snapshot, shape, plan);
      assertUsable(); // again, because reading takes time
      assertFits(image.length, planBytes({ ...plan, shape }, image.length).total, capabilities);
      return cacheOf({ ...plan, shape }, image);
    },
    dispose: async () => {
      if (!owner.disposed) {
        owner.disposed = true;
        disposal = definition.dispose?.();
      }
      await disposal;
    },
  };
};
