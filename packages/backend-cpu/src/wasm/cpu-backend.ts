import {
  type Backend,
  type CacheImage,
  capabilitiesOf,
  type CachePlan,
  defineBackend,
  limitsWithin,
} from "@kvtuner/backend";
import { KERNEL_RANGE, MAX_CACHE_BYTES, MAX_TOKENS } from "./capabilities.ts";
import { createEngine } from "./create-engine.ts";
import type { Engine } from "./engine.ts";
import type { Simd } from "./kernel-module.ts";
import { createStore, type KernelOwner, type PackedStore, releaseArenas } from "./packed-store.ts";
import { restoreImages } from "./tensor-image.ts";
import { wantedThreads } from "./threads/wanted-threads.ts";
import { WasmStore } from "./wasm-store.ts";

/** Limits of the CPU backend, and its kernels. */
export interface CpuOptions {
  /**
   * Maximum bytes of one cache; 32 GiB by default and at most. A layer must fit one WebAssembly memory of 4 GiB.
   */
  readonly maxCacheBytes?: number;
  /** Maximum tokens of one cache; 16777216 by default and at most. */
  readonly maxTokens?: number;
  /**
   * Kernel module: "baseline" SIMD; "relaxed", which multiplies and adds in one instruction; "dot-products", which also
   * multiplies codes of up to 4 bits as bytes. The default "auto" uses relaxed if the engine has it and a self-test passes,
   * and dot products if they are faster.
   */
  readonly simd?: Simd | "auto";
  /**
   * Threads for attention, including the caller's; 1 by default, at most 32. More than one needs workers and
   * SharedArrayBuffer: Node has them, a page only if it is cross-origin isolated.
   */
  readonly threads?: number;
}

/** Also tells which kernel module runs, and on how many threads. */
export interface CpuBackend extends Backend {
  readonly simd: Simd;
  readonly threads: number;
}

/**
 * The CPU backend, "cpu": WebAssembly kernels with 128-bit SIMD, in Node and in browsers. Stores 1, 2, 3, 4, 5, 6, 8 and 16 bits, keys
 * per token or per channel, values per token, each with or without the Hadamard transform, at head sizes that are multiples
 * of 16. Its output differs from exact arithmetic by at most 1e-3 of the largest number of the output.
 *
 * With `threads`, workers belong to the backend until it is disposed of. In Node they do not keep the program alive. Kernels
 * run synchronously, so calls of all caches take turns.
 *
 * @throws LimitError for invalid limits
 * @throws RelaxedSimdError when relaxed SIMD is requested and the engine has none
 * @throws UnknownSimdError for an unknown module
 * @throws ThreadsError `BACKEND_THREADS` for an invalid number of threads, or more than one where only one is possible
 * @throws ThreadFailure `BACKEND_THREAD_FAILED` when a worker does not start
 * @throws WebAssembly.CompileError without SIMD
 */
export const createCpuBackend = async (options: CpuOptions = {}): Promise<CpuBackend> =>
  createBackendOn(() => createEngine(wantedThreads(options.threads), options.simd), options);

/** The same with an engine from `createEngine`, called after the limits are checked; tests share out even small work. */
export const createBackendOn = async (
  createEngineFor: () => Promise<Engine>,
  options: CpuOptions,
): Promise<CpuBackend> => {
  const limits = limitsWithin({ maxTokens: MAX_TOKENS, maxCacheBytes: MAX_CACHE_BYTES }, options);
  const owner = { engine: await createEngineFor(), capabilities: capabilitiesOf(KERNEL_RANGE, limits) };
  const {
    simd,
    limits: { threads },
    pool,
  } = owner.engine;
  const backend = defineBackend({
    name: "cpu",
    capabilities: owner.capabilities,
    createStore: (plan, image) => createWasmStore(owner, plan, image),
    dispose: () => pool?.end(),
  });
  return { ...backend, simd, threads };
};

const createWasmStore = async (owner: KernelOwner, plan: CachePlan, image?: CacheImage): Promise<WasmStore> => {
  const store = await createStore(owner, plan);
  try {
    if (image) restoreStore(store, image);
  } catch (error) {
    await releaseArenas(owner.engine, store.arenas);
    throw error;
  }
  return new WasmStore(owner, store);
};

const restoreStore = ({ layers, workspaces }: PackedStore, { length, tensors }: CacheImage): void => {
  for (const [index, layer] of layers.entries()) {
    layer.length = length;
    for (const kind of ["key", "value"] as const) {
      layer[kind].reserveAll(length);
      restoreImages(layer, layer[kind], workspaces[index]!, tensors[index]![kind]);
    }
  }
};
