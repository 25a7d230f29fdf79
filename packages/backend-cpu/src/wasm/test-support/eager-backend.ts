import type { Backend } from "@kvtuner/backend";
import { type CpuOptions, createBackendOn } from "../cpu-backend.ts";
import { createEngine } from "../create-engine.ts";

/** A backend whose threads share out all work, tile by tile, even where that is slower. */
export const createEagerBackend = async (threads: number, options: CpuOptions = {}): Promise<Backend> =>
  createBackendOn(() => createEngine(threads, options.simd, { threads, leastWork: 0, leastTiles: 1 }), options);

/** For another process, which calls a function without arguments. */
export const createTwoThreads = (): Promise<Backend> => createEagerBackend(2);
