import type { Backend } from "@kvtuner/backend";
import { createCpuBackend } from "@kvtuner/backend-cpu";
import { createWebGpuBackend, DeviceLostError, type KernelChoices, type Variant } from "@kvtuner/backend-webgpu";
import type { CreateSession } from "@kvtuner/decoder";
import { requestDevice } from "./gpu-device.ts";
import { wasmSessions, webGpuSessions } from "./sessions.ts";

/** What runs on this page: a backend for the cache, and sessions for what stands between the layers' attention. */
export interface Runtime {
  readonly backend: Backend;
  readonly createSession: CreateSession;
  /** Rejects with a `DeviceLostError` once the GPU is gone, and never resolves. */
  readonly lost: Promise<never>;
  /** Gives back what the runtime made, once cache and weights are given back. */
  dispose(): Promise<void>;
}

/** Runtimes to choose from. */
export type RuntimeName = "cpu" | "webgpu";

const RUNTIMES: Readonly<Record<RuntimeName, (choices?: KernelChoices) => Promise<Runtime>>> = {
  cpu: async () => {
    const backend = await createCpuBackend({ threads: threadCount() });
    const createSession = await wasmSessions(threadCount());
    return { backend, createSession, lost: new Promise(() => {}), dispose: () => backend.dispose() };
  },
  webgpu: async (choices) => {
    const { device, isSoftware } = await requestDevice();
    const kernels = isSoftware && { kernels: KERNELS_OF_SOFTWARE };
    const backend = await createWebGpuBackend({ device, ...(choices && { choices }), ...kernels });
    const dispose = async (): Promise<void> => {
      await backend.dispose();
      device.destroy();
    };
    return { backend, createSession: await webGpuSessions(device), lost: lossOf(device), dispose };
  },
};

/** Whoever generates is told; when nobody does, nobody has to. */
const lossOf = ({ lost }: GPUDevice): Promise<never> => {
  const loss = lost.then((info) => Promise.reject(new DeviceLostError(info)));
  loss.catch(() => {});
  return loss;
};

/** Those that any adapter runs: to find the quickest takes a driver in software minutes. */
const KERNELS_OF_SOFTWARE: Partial<Variant> = {};

/** Starts a runtime; `choices` remembers which kernels are the fastest on a GPU. */
export const openRuntime = async (name: RuntimeName, choices?: KernelChoices): Promise<Runtime> =>
  RUNTIMES[name](choices);

/** More than four hardly make a small model faster. */
const MOST_THREADS = 4;

/** One without cross-origin isolation: threads share memory. */
const threadCount = (): number =>
  globalThis.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency) : 1;
