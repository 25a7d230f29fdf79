import type { Backend } from "@kvtuner/backend";
import { type CpuOptions, createBackendOn } from "../cpu-backend.ts";
import { createEngine } from "../create-engine.ts";

/** A backend whose threads share out all there is, tile by tile, be it worth it or not. */
export const createEagerBackend = async (threads: number, options: CpuOptions = {}): Promise<Backend> =>
  createBackendOn(() => createEngine(threads, options.simd, { threads, leastWork: 0, leastTiles: 1 }), options);

/** For a process of its own, which is told a function without arguments. */
export const createTwoThreads = (): Promise<Backend> => createEagerBackend(2);
