import type { Backend } from "@kvtuner/backend";
import { createCpuBackend } from "@kvtuner/backend-cpu";
import { createWebGpuBackend, type Variant } from "@kvtuner/backend-webgpu";
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
    const { device, isSoftware } = await requestDevice();
    const backend = await createWebGpuBackend({ device, ...(isSoftware && { kernels: PLAIN_KERNELS }) });
    return { backend, createSession: await webGpuSessions(device) };
  },
};

/** Those that any adapter runs: to find the quickest takes a driver in software minutes. */
const PLAIN_KERNELS: Variant = { specialized: false, float16: false, subgroups: false };

/** Starts a runtime. */
export const openRuntime = async (name: RuntimeName): Promise<Runtime> => RUNTIMES[name]();

/** More than four hardly make a small model faster. */
const MOST_THREADS = 4;

/** One without cross-origin isolation: threads share memory. */
const threadCount = (): number =>
  globalThis.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency) : 1;
