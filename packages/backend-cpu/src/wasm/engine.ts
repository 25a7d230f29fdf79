import type { Simd } from "./kernel-module.ts";
import type { SplitLimits } from "./threads/split.ts";
import type { ThreadPool } from "./threads/thread-pool.ts";

/** Runs the kernels. */
export interface Engine {
  readonly simd: Simd;
  readonly module: WebAssembly.Module;
  /** With two threads or more; memories are then shared. */
  readonly pool?: ThreadPool;
  readonly limits: SplitLimits;
}
