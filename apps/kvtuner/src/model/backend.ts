import type { Backend } from "@kvtuner/backend";
import { createCpuBackend, createReferenceBackend } from "@kvtuner/backend-cpu";
import { OptionKvtunerError } from "@kvtuner/tuning";

import { openCudaBackend, openWebGpuBackend } from "./gpu-backends.ts";

/** How a backend runs. */
interface BackendOptions {
  /** Threads of the kernels; the reference and GPUs are fed from one whatever this is. */
  readonly threads: number;
}

/** A backend and the threads that it attends on. */
interface CreatedBackend {
  readonly backend: Backend;
  readonly threads: number;
}

const BACKENDS: Readonly<Record<string, (options: BackendOptions) => Promise<CreatedBackend>>> = {
  cpu: async (options) => {
    const backend = await createCpuBackend(options);
    return { backend, threads: backend.threads };
  },
  "cpu-reference": async () => ({ backend: createReferenceBackend(), threads: 1 }),
  webgpu: async () => ({ backend: await openWebGpuBackend(), threads: 1 }),
  cuda: async () => ({ backend: await openCudaBackend(), threads: 1 }),
};

/** Names of backends, the default first. */
export const BACKEND_NAMES: readonly string[] = Object.keys(BACKENDS);

/** A backend in use. */
export interface OpenedBackend {
  readonly backend: Backend;
  /** Threads that it attends on; undefined where it was given, for the interface does not tell. */
  readonly threads: number | undefined;
  /** Disposes of it where it was made here. */
  dispose(): Promise<void>;
}

/**
 * Makes the backend of a name, or takes the one that is given, which stays the caller's to dispose of.
 *
 * @throws OptionKvtunerError `OPTION_INVALID` for a name that is not known
 * @throws KvtunerError when what it needs (a package, a driver, a device) is missing
 */
export const openBackend = async (given: string | Backend, options: BackendOptions): Promise<OpenedBackend> => {
  if (typeof given !== "string") return { backend: given, threads: undefined, dispose: async () => undefined };
  const { backend, threads } = await createBackend(given, options);
  return { backend, threads, dispose: async () => backend.dispose() };
};

const createBackend = async (name: string, options: BackendOptions): Promise<CreatedBackend> => {
  const create = Object.hasOwn(BACKENDS, name) ? BACKENDS[name] : undefined;
  if (create) return create(options);
  throw new OptionKvtunerError("backend", `one of ${BACKEND_NAMES.join(", ")}`, JSON.stringify(name));
};
