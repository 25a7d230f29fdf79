import type { Engine } from "./engine.ts";
import { chooseKernels } from "./kernel-choice.ts";
import type { Simd } from "./kernel-module.ts";
import { type SplitLimits, splitLimits } from "./threads/split.ts";
import { ThreadPool } from "./threads/thread-pool.ts";

/**
 * Compiles the kernels and starts threads.
 *
 * @throws RelaxedSimdError when relaxed SIMD is requested and the engine has none
 * @throws ThreadFailure `BACKEND_THREAD_FAILED` when a worker does not start
 */
export const createEngine = async (
  threads: number,
  simd: Simd | "auto" = "auto",
  limits: SplitLimits = splitLimits(threads),
): Promise<Engine> => {
  const chosen = await chooseKernels(simd, threads > 1);
  if (threads === 1) return { ...chosen, limits };
  const pool = new ThreadPool(threads, chosen.module);
  try {
    await pool.start();
  } catch (error) {
    await pool.end();
    throw error;
  }
  return { ...chosen, pool, limits };
};
