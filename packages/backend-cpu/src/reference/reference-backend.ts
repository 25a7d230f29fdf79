import {
  assertAlive,
  assertFits,
  assertPlanSupported,
  type Backend,
  type CacheOwner,
  type CachePlan,
  type Capabilities,
  type KvCache,
  limitsWithin,
  readSnapshot,
  type SchemeFamily,
  StoredCache,
} from "@kvtuner/backend";
import { type CacheShape, planBytes } from "@kvtuner/plan";
import { ReferenceStore } from "./reference-store.ts";

/** Limits of a reference backend. */
export interface ReferenceOptions {
  /** The most bytes that one cache may take; without it, as many as there are. */
  readonly maxCacheBytes?: number;
  /** The most tokens of one cache; 16777215 without it, and never more. */
  readonly maxTokens?: number;
}

/**
 * The reference backend, "cpu-reference": plain TypeScript in double precision. Slow, and obviously right: the oracle of
 * all other backends. It stores every scheme in groups of 16, 32, 64 or 128 numbers or the whole head, at any head size.
 *
 * @throws LimitError for limits that are none
 */
export const createReferenceBackend = (options: ReferenceOptions = {}): Backend =>
  new ReferenceBackend({
    ...CAPABILITIES,
    ...limitsWithin({ maxTokens: MAX_TOKENS, maxCacheBytes: Number.MAX_SAFE_INTEGER }, options),
  });

/** A Map holds no more. */
const MAX_TOKENS = 2 ** 24 - 1;

const SCHEMES = {
  bits: [2, 3, 4, 5, 6, 8, 16],
  formats: ["affine", "symmetric"],
  transforms: ["none", "hadamard"],
} as const;

const FAMILIES: readonly SchemeFamily[] = [
  { ...SCHEMES, axis: "token", groupSizes: ["head", 16, 32, 64, 128] },
  { ...SCHEMES, axis: "channel", groupSizes: [16, 32, 64, 128] },
];

const CAPABILITIES: Omit<Capabilities, "maxCacheBytes" | "maxTokens"> = {
  key: FAMILIES,
  value: FAMILIES,
  headSizes: "any",
  deviceTensors: false,
};

class ReferenceBackend implements Backend, CacheOwner {
  readonly specVersion = 1;
  readonly name = "cpu-reference";
  readonly capabilities: Capabilities;
  disposed = false;

  constructor(capabilities: Capabilities) {
    this.capabilities = capabilities;
  }

  async createCache(shape: CacheShape, plan: CachePlan): Promise<KvCache> {
    this.#assertSupported(shape, plan);
    return new StoredCache(this, plan, new ReferenceStore(plan));
  }

  async restoreCache(shape: CacheShape, plan: CachePlan, snapshot: Uint8Array): Promise<KvCache> {
    this.#assertSupported(shape, plan);
    const image = await readSnapshot(snapshot, shape, plan);
    assertFits(image.length, planBytes(plan, image.length).total, this.capabilities);
    return new StoredCache(this, plan, new ReferenceStore(plan, image));
  }

  async dispose(): Promise<void> {
    this.disposed = true;
  }

  #assertSupported(shape: CacheShape, plan: CachePlan): void {
    assertAlive(this.disposed, "backend");
    assertPlanSupported(this.name, this.capabilities, shape, plan);
  }
}
