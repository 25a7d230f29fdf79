/** A value opened on first use. */
export interface Lazy<Resource> {
  /** Opens the resource, once. */
  get(): Promise<Resource>;
  /** Disposes of the resource if it was opened. */
  dispose(): Promise<void>;
}

/** A resource to dispose of after use. */
interface WithDispose {
  dispose(): Promise<void>;
}

/** Opens a resource on first use. A finished study needs no evaluator, and so no model in memory. */
export const lazily = <Resource extends WithDispose>(open: () => Promise<Resource>): Lazy<Resource> => {
  let resource: Promise<Resource> | undefined;
  return {
    get: () => (resource ??= open()),
    dispose: async () => {
      await (await resource?.catch(() => undefined))?.dispose();
    },
  };
};
