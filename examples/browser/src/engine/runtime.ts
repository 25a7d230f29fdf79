import type { Backend } from "@kvtuner/backend";
import { createCpuBackend } from "@kvtuner/backend-cpu";
import { createWebGpuBackend } from "@kvtuner/backend-webgpu";
import type { CreateSession } from "@kvtuner/decoder";

import { requestDevice } from "./gpu-device.ts";
import { wasmSessions, webGpuSessions } from "./sessions.ts";

/** What runs on this page: a backend for the cache, and sessions for what stands between the layers' attention. */
export interface Runtime {
  readonly backend: Backend;
  readonly createSession: CreateSession;
}

/** Runtimes to choose from. */
export type RuntimeName = "cpu" | "webgpu";

const RUNTIMES: Readonly<Record<RuntimeName, () => Promise<Runtime>>> = {
  cpu: async () => ({
    backend: await createCpuBackend({ threads: threadCount() }),
    createSession: await wasmSessions(threadCount()),
  }),
  webgpu: async () => {
    const device = await requestDevice();
    return { backend: await createWebGpuBackend({ device }), createSession: await webGpuSessions(device) };
  },
};

/** Starts a runtime. */
export const openRuntime = async (name: RuntimeName): Promise<Runtime> => RUNTIMES[name]();

/** More than four hardly make a small model faster. */
const MOST_THREADS = 4;

/** One without cross-origin isolation: threads share memory. */
const threadCount = (): number =>
  globalThis.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency) : 1;
