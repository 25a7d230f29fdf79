import type { Backend } from "@kvtuner/backend";
import { createCpuBackend } from "@kvtuner/backend-cpu";
import { createWebGpuBackend, DeviceLostError, type KernelChoices, type Variant } from "@kvtuner/backend-webgpu";
import type { CreateSession } from "@kvtuner/decoder";
import { requestDevice } from "./gpu-device.ts";
import { wasmSessions, webGpuSessions } from "./sessions.ts";

/** What runs the model: a backend for the cache, and sessions for the segments between attention. */
export interface Runtime {
  readonly backend: Backend;
  readonly createSession: CreateSession;
  /** Rejects with a `DeviceLostError` when the GPU is lost; never resolves. */
  readonly lost: Promise<never>;
  /** Releases the runtime's own resources, after cache and weights. */
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

/** Generations report the loss; without one, nobody needs to know. */
const lossOf = ({ lost }: GPUDevice): Promise<never> => {
  const loss = lost.then((info) => Promise.reject(new DeviceLostError(info)));
  loss.catch(() => {});
  return loss;
};

/** Kernels that any adapter runs: with a software driver, finding the fastest takes minutes. */
const KERNELS_OF_SOFTWARE: Partial<Variant> = {};

/** Starts a runtime; `choices` stores the fastest kernels of each GPU. */
export const openRuntime = async (name: RuntimeName, choices?: KernelChoices): Promise<Runtime> =>
  RUNTIMES[name](choices);

/** More than four hardly help a small model. */
const MOST_THREADS = 4;

/** One without cross-origin isolation, because threads share memory. */
const threadCount = (): number =>
  globalThis.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency) : 1;
