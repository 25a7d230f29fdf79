import type { Asset, LayerScheme } from "@kvtuner/plan";
import type { Backend } from "../backend.ts";
import type { Capabilities } from "../capabilities.ts";

/** What the suite is told of a backend. */
export interface BackendUnderTest {
  readonly name: string;
  /** Makes a backend for one law, which disposes of it. */
  readonly createBackend: () => Backend | Promise<Backend>;
  /** The same with lower limits, so that a cache can be filled. Without it the laws about limits are skipped, in plain view. */
  readonly createSmallBackend?: (limits: Limits) => Backend | Promise<Backend>;
  /** Where another process finds the backend. Without it, and in browsers, that law is skipped, in plain view. */
  readonly backendModule?: BackendModule;
  /** Largest error of an output, relative to the largest number of the call's output; 1e-3 without it. */
  readonly tolerance?: number;
  /** Layer schemes to be tested beside the suite's own. */
  readonly schemes?: readonly LayerScheme[];
  /** Assets of every plan of the suite, for schemes that name some. */
  readonly assets?: readonly Asset[];
  /** Takes every combination of schemes and more random operations; minutes instead of seconds. */
  readonly heavy?: boolean;
}

/** Limits of a small backend; what is absent is as large as ever. */
export type Limits = Partial<Pick<Capabilities, "maxCacheBytes" | "maxTokens">>;

/** A module that exports a function without arguments which makes the backend. */
export interface BackendModule {
  /** A file: URL. */
  readonly url: string;
  readonly exportName: string;
  /** More options of node, such as a loader. */
  readonly nodeOptions?: readonly string[];
}

/** A backend under test with one backend made. */
export interface Subject {
  readonly options: BackendUnderTest;
  readonly backend: Backend;
  readonly tolerance: number;
}

/** Makes the backend, hands it to a law, and disposes of it. */
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
