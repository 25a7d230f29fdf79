import type { Backend } from "@kvtuner/backend";
import { createCpuBackend, createReferenceBackend } from "@kvtuner/backend-cpu";

import { OptionKvtunerError } from "../options.ts";

/** How a backend runs. */
interface BackendOptions {
  /** Threads of the kernels, which a backend may use; those here run on one. */
  readonly threads: number;
}

const BACKENDS: Readonly<Record<string, (options: BackendOptions) => Promise<Backend>>> = {
  cpu: async () => createCpuBackend(),
  "cpu-reference": async () => createReferenceBackend(),
};

/** Names of backends, the default first. */
export const BACKEND_NAMES: readonly string[] = Object.keys(BACKENDS);

/**
 * Makes the backend of a name; it is the caller's to dispose of.
 *
 * @throws OptionKvtunerError `OPTION_INVALID` for a name that is not known
 */
export const createBackend = async (name: string, options: BackendOptions): Promise<Backend> => {
  const create = Object.hasOwn(BACKENDS, name) ? BACKENDS[name] : undefined;
  if (create) return create(options);
  throw new OptionKvtunerError("backend", `one of ${BACKEND_NAMES.join(", ")}`, JSON.stringify(name));
};
