import {
  assertAlive,
  assertFits,
  assertPlanSupported,
  type Backend,
  type CacheImage,
  type CachePlan,
  type Capabilities,
  type KvCache,
  limitsWithin,
  readSnapshot,
} from "@kvtuner/backend";
import { type CacheShape, planBytes } from "@kvtuner/plan";
import { KERNEL_CAPABILITIES, MAX_CACHE_BYTES, MAX_TOKENS } from "./capabilities.ts";
import { chooseKernels, type ChosenKernels } from "./kernel-choice.ts";
import type { Simd } from "./kernel-module.ts";
import type { CacheOwner } from "../cache-owner.ts";
import { StoredCache } from "../stored-cache.ts";
import { createStore, type PackedStore } from "./packed-store.ts";
import { restoreImages } from "./tensor-image.ts";
import { type KernelOwner, WasmStore } from "./wasm-store.ts";

/** Limits of the CPU backend, and its kernels. */
export interface CpuOptions {
  /**
   * The most bytes that one cache may take; 32 GiB without it, and never more. A layer has at most one WebAssembly memory, of
   * 4 GiB.
   */
  readonly maxCacheBytes?: number;
  /** The most tokens of one cache; 16777216 without it, and never more. */
  readonly maxTokens?: number;
  /**
   * The kernels' module: "baseline" SIMD; "relaxed", which multiplies and adds in one instruction; "auto", the default, is
   * relaxed where the engine has it and a self-test passes.
   */
  readonly simd?: Simd | "auto";
}

/** The CPU backend says which of its modules runs. */
export interface CpuBackend extends Backend {
  readonly simd: Simd;
}

/**
 * The CPU backend, "cpu": WebAssembly kernels with 128-bit SIMD, in Node and in browsers. It stores 2, 3, 4, 8 and 16 bits,
 * keys per token or per channel, values per token, each with or without the Hadamard transform, at head sizes that are
 * multiples of 16. Its output differs from exact arithmetic by at most 1e-3 of the largest number of the output.
 *
 * @throws LimitError for limits that are none
 * @throws RelaxedSimdError when relaxed SIMD is asked for and the engine has none
 * @throws WebAssembly.CompileError where there is no SIMD
 */
export const createCpuBackend = async (options: CpuOptions = {}): Promise<CpuBackend> => {
  const limits = limitsWithin({ maxTokens: MAX_TOKENS, maxCacheBytes: MAX_CACHE_BYTES }, options);
  return new KernelBackend(await chooseKernels(options.simd ?? "auto"), { ...KERNEL_CAPABILITIES, ...limits });
};

class KernelBackend implements CpuBackend, CacheOwner, KernelOwner {
  readonly specVersion = 1;
  readonly name = "cpu";
  readonly capabilities: Capabilities;
  readonly simd: Simd;
  readonly module: WebAssembly.Module;
  disposed = false;

  constructor({ simd, module }: ChosenKernels, capabilities: Capabilities) {
    this.simd = simd;
    this.module = module;
    this.capabilities = capabilities;
  }

  async createCache(shape: CacheShape, plan: CachePlan): Promise<KvCache> {
    this.#assertSupported(shape, plan);
    return this.#cacheOf(shape, plan, await createStore(this, plan));
  }

  async restoreCache(shape: CacheShape, plan: CachePlan, snapshot: Uint8Array): Promise<KvCache> {
    this.#assertSupported(shape, plan);
    const image = await readSnapshot(snapshot, shape, plan);
    assertFits(image.length, planBytes(plan, image.length).total, this.capabilities);
    const store = await createStore(this, plan);
    restoreStore(store, shape, image);
    return this.#cacheOf(shape, plan, store);
  }

  async dispose(): Promise<void> {
    this.disposed = true;
  }

  #cacheOf(shape: CacheShape, plan: CachePlan, store: PackedStore): KvCache {
    return new StoredCache(this, plan, new WasmStore(this, shape, store));
  }

  #assertSupported(shape: CacheShape, plan: CachePlan): void {
    assertAlive(this.disposed, "backend");
    assertPlanSupported(this.name, this.capabilities, shape, plan);
  }
}

const restoreStore = (
  { layers, workspaces }: PackedStore,
  shape: CacheShape,
  { length, tensors }: CacheImage,
): void => {
  for (const [index, layer] of layers.entries()) {
    layer.length = length;
    for (const kind of ["key", "value"] as const) {
      layer[kind].reserveAll(length);
      restoreImages(layer, layer[kind], shape, workspaces[index]!, tensors[index]![kind]);
    }
  }
};
