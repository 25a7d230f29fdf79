import { assertPlanSupported, type Backend, type CachePlan, type KvCache } from "@kvtuner/backend";
import { createCpuBackend, createReferenceBackend } from "@kvtuner/backend-cpu";
import { KvtunerError } from "@kvtuner/plan";
import { OptionError, type Target } from "@kvtuner/tuning";
import { gpuCapabilities, openCudaBackend, openWebGpuBackend } from "./gpu-backends.ts";

/** Options of a backend. */
interface BackendOptions {
  /** Threads of the kernels; the reference and GPUs always use one. */
  readonly threads: number;
}

/** A backend, and how many threads attend. */
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

/** Picks the first of {@link ANYWHERE} that can store the caches. */
export const AUTO = "auto";

/** Backends that run on every machine, fastest first. */
const ANYWHERE: readonly string[] = ["cpu", "cpu-reference"];

/** Names of backends, the default first. */
export const BACKEND_NAMES: readonly string[] = [...Object.keys(BACKENDS), AUTO];

/** Names of backends that plans can be made for. */
export const TARGET_NAMES: readonly string[] = Object.keys(BACKENDS);

/** What a backend can store, and after it what those of {@link ANYWHERE} can. */
export const openTargets = async (given: string | Backend): Promise<Target[]> => {
  const names = ANYWHERE.filter((name) => name !== given);
  const created = await Promise.all((typeof given === "string" ? [given, ...names] : names).map(capabilitiesOf));
  return typeof given === "string" ? created : [given, ...created];
};

const capabilitiesOf = async (name: string): Promise<Target> => {
  const onGpu = await gpuCapabilities(name);
  if (onGpu !== undefined) return { name, capabilities: onGpu };
  const { backend } = await createBackend(name, { threads: 1 });
  await backend.dispose();
  return { name, capabilities: backend.capabilities };
};

/** A backend in use. */
export interface OpenedBackend {
  readonly backend: Backend;
  /** Number of threads that attend; undefined for a given backend, whose interface does not say. */
  readonly threads: number | undefined;
  /** Disposes of the backend if it was made here. */
  dispose(): Promise<void>;
}

/**
 * Makes the named backend and checks that it can store all `caches`. A given backend is returned unchecked, and the caller
 * disposes of it.
 *
 * @throws OptionError `OPTION_INVALID` for an unknown name
 * @throws KvtunerError when a package, driver or device is missing, or the backend cannot store a cache
 */
export const openBackend = async (
  given: string | Backend,
  options: BackendOptions,
  caches: readonly CachePlan[] = [],
): Promise<OpenedBackend> => {
  if (given === AUTO) return openFitting(options, caches);
  if (typeof given !== "string") return { backend: given, threads: undefined, dispose: async () => undefined };
  const { backend, threads } = await createBackend(given, options);
  const refusal = refusalOf(backend, caches);
  if (refusal === undefined) return { backend, threads, dispose: async () => backend.dispose() };
  await backend.dispose();
  const { backend: fitting, dispose } = await openFitting(options, caches);
  await dispose();
  throw new BackendUnfitError(refusal, fitting.name);
};

/** Caches of different plans, each on the first backend of {@link ANYWHERE} that can store it. */
export interface AnyCaches {
  /**
   * Makes an empty cache.
   *
   * @throws KvtunerError when no backend can store it
   */
  create(plan: CachePlan): Promise<KvCache>;
  dispose(): Promise<void>;
}

/** Opens the backends of {@link ANYWHERE} for plans that are not known yet. */
export const openAnyCaches = async (options: BackendOptions): Promise<AnyCaches> => {
  const created = await createAnywhere(options);
  return {
    create: async (plan) => firstFitting(created, [plan]).backend.createCache(plan.shape, plan),
    dispose: async () => disposeAll(created),
  };
};

/** Opens the first backend of {@link ANYWHERE} that can store all caches. */
const openFitting = async (options: BackendOptions, caches: readonly CachePlan[]): Promise<OpenedBackend> => {
  const created = await createAnywhere(options);
  let fitting: CreatedBackend | undefined;
  try {
    fitting = firstFitting(created, caches);
    const { backend, threads } = fitting;
    return { backend, threads, dispose: async () => backend.dispose() };
  } finally {
    await disposeAll(created.filter((other) => other !== fitting));
  }
};

const createAnywhere = async (options: BackendOptions): Promise<CreatedBackend[]> =>
  Promise.all(ANYWHERE.map(async (name) => createBackend(name, options)));

const disposeAll = async (created: readonly CreatedBackend[]): Promise<void> => {
  for (const { backend } of created) await backend.dispose();
};

/**
 * The first backend that can store all caches.
 *
 * @throws KvtunerError of the last one if none can
 */
const firstFitting = (created: readonly CreatedBackend[], caches: readonly CachePlan[]): CreatedBackend => {
  let last: KvtunerError | undefined;
  for (const one of created) {
    last = refusalOf(one.backend, caches);
    if (last === undefined) return one;
  }
  throw last ?? new Error("internal: no backend runs anywhere");
};

/** Why a backend cannot store one of the caches; undefined if it can store all. */
const refusalOf = ({ name, capabilities }: Backend, caches: readonly CachePlan[]): KvtunerError | undefined => {
  try {
    for (const cache of caches) assertPlanSupported(name, capabilities, cache.shape, cache);
    return undefined;
  } catch (error) {
    if (KvtunerError.isInstance(error)) return error;
    throw error;
  }
};

/** Those of some caches that the CPU backend stores. */
export const storedOnCpu = async <Cache extends CachePlan>(caches: readonly Cache[]): Promise<Cache[]> => {
  const { backend, dispose } = await openBackend("cpu", { threads: 1 });
  const fitting = caches.filter((cache) => refusalOf(backend, [cache]) === undefined);
  await dispose();
  return fitting;
};

/** The backend cannot store the cache, but another one can. */
class BackendUnfitError extends KvtunerError {
  constructor(cause: KvtunerError, fitting: string) {
    const reason = cause.message.replace(/; choose another backend$/, "");
    super(cause.code, `${reason}; use --backend ${fitting}, or --backend auto`, { cause });
    this.name = "BackendUnfitError";
  }
}

const createBackend = async (name: string, options: BackendOptions): Promise<CreatedBackend> => {
  const create = Object.hasOwn(BACKENDS, name) ? BACKENDS[name] : undefined;
  if (create) return create(options);
  throw new OptionError("backend", `one of ${BACKEND_NAMES.join(", ")}`, JSON.stringify(name));
};
