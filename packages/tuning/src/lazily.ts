/** A value opened on first use. */
export interface Lazy<Resource> {
  get(): Promise<Resource>;
  dispose(): Promise<void>;
}

/** A study that is complete needs no evaluator, and no model in memory. */
export const lazily = <Resource extends { dispose(): Promise<void> }>(
  open: () => Promise<Resource>,
): Lazy<Resource> => {
  let resource: Promise<Resource> | undefined;
  return {
    get: () => (resource ??= open()),
    dispose: async () => {
      await (await resource?.catch(() => undefined))?.dispose();
    },
  };
};
