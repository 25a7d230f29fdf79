import type { Simd } from "./kernel-module.ts";
import type { SplitLimits } from "./threads/split.ts";
import type { ThreadPool } from "./threads/thread-pool.ts";

/** Runs the kernels. */
export interface Engine {
  readonly simd: Simd;
  readonly module: WebAssembly.Module;
  /** From two threads on; memories are shared then. */
  readonly pool?: ThreadPool;
  readonly limits: SplitLimits;
}
