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
   * The most bytes that one cache may take; 32 GiB without it, and never more. A layer has at most one WebAssembly memory, of
   * 4 GiB.
   */
  readonly maxCacheBytes?: number;
  /** The most tokens of one cache; 16777216 without it, and never more. */
  readonly maxTokens?: number;
  /**
   * The kernels' module: "baseline" SIMD; "relaxed", which multiplies and adds in one instruction; "dot-products", which
   * multiplies codes of up to 4 bits as bytes besides. "auto", the default, is relaxed where the engine has it and a
   * self-test passes, and with dot products where they are faster.
   */
  readonly simd?: Simd | "auto";
  /**
   * Threads that attention is shared out among, the caller's with them; 1 without it, and never more than 32. More than one
   * take workers and SharedArrayBuffer, which Node has, and a page only where it is cross-origin isolated.
   */
  readonly threads?: number;
}

/** The CPU backend says which of its modules runs, and on how many threads. */
export interface CpuBackend extends Backend {
  readonly simd: Simd;
  readonly threads: number;
}

/**
 * The CPU backend, "cpu": WebAssembly kernels with 128-bit SIMD, in Node and in browsers. It stores 2, 3, 4, 8 and 16 bits,
 * keys per token or per channel, values per token, each with or without the Hadamard transform, at head sizes that are
 * multiples of 16. Its output differs from exact arithmetic by at most 1e-3 of the largest number of the output.
 *
 * With `threads`, workers belong to the backend until it is disposed of; in Node they do not keep the program from ending.
 * The kernels' part of a call is synchronous, so that calls take turns, also those of several caches.
 *
 * @throws LimitError for limits that are none
 * @throws RelaxedSimdError when relaxed SIMD is asked for and the engine has none
 * @throws UnknownSimdError for a module that there is not
 * @throws ThreadsError `BACKEND_THREADS` for threads that are none, or where there can be but one
 * @throws ThreadFailure `BACKEND_THREAD_FAILED` when a worker does not start
 * @throws WebAssembly.CompileError where there is no SIMD
 */
export const createCpuBackend = async (options: CpuOptions = {}): Promise<CpuBackend> =>
  createBackendOn(() => createEngine(wantedThreads(options.threads), options.simd), options);

/** The same on an engine that is made once the limits are found good; tests share out less than is worth it. */
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
  return new WasmStore(owner, plan.shape, store);
};

const restoreStore = ({ layers, workspaces }: PackedStore, { shape, length, tensors }: CacheImage): void => {
  for (const [index, layer] of layers.entries()) {
    layer.length = length;
    for (const kind of ["key", "value"] as const) {
      layer[kind].reserveAll(length);
      restoreImages(layer, layer[kind], shape, workspaces[index]!, tensors[index]![kind]);
    }
  }
};
