import type { Asset, LayerScheme } from "@kvtuner/plan";
import type { Backend } from "../backend.ts";
import type { Capabilities } from "../capabilities.ts";

/** Input of the suite. */
export interface BackendUnderTest {
  readonly name: string;
  /** Makes a backend for one law, which disposes of it. */
  readonly createBackend: () => Backend | Promise<Backend>;
  /** The same with lower limits, to test a full cache. Without it the laws about limits are shown as skipped. */
  readonly createSmallBackend?: (limits: Limits) => Backend | Promise<Backend>;
  /** Where another process finds the backend. Without it, and in browsers, that law is shown as skipped. */
  readonly backendModule?: BackendModule;
  /** Largest error of an output, relative to the largest number of the call's output; default 1e-3. */
  readonly tolerance?: number;
  /** Layer schemes to test in addition to the suite's own. */
  readonly schemes?: readonly LayerScheme[];
  /** Assets of every plan of the suite, for schemes that name some. */
  readonly assets?: readonly Asset[];
  /** Takes every combination of schemes and more random operations; minutes instead of seconds. */
  readonly heavy?: boolean;
}

/** Limits of a small backend; absent ones keep the backend's own. */
export type Limits = Partial<Pick<Capabilities, "maxCacheBytes" | "maxTokens">>;

/** A module that exports a function, without arguments, that makes the backend. */
export interface BackendModule {
  /** A file: URL. */
  readonly url: string;
  readonly exportName: string;
  /** More options of node, such as a loader. */
  readonly nodeOptions?: readonly string[];
}

/** A backend under test, created. */
export interface Subject {
  readonly options: BackendUnderTest;
  readonly backend: Backend;
  readonly tolerance: number;
}

/** Makes the backend, passes it to a law, and disposes of it. */
export const withSubject = async <Result>(
  options: BackendUnderTest,
  use: (subject: Subject) => Promise<Result>,
  create: () => Backend | Promise<Backend> = options.createBackend,
): Promise<Result> => {
  const backend = await create();
  try {
    return await use({ options, backend, tolerance: options.tolerance ?? 1e-3 });
  } finally {
    await backend.dispose();
  }
};
