import type koffi from "koffi";

type Koffi = typeof koffi;

/** A shared library with functions of C. */
export type KoffiLibrary = ReturnType<Koffi["load"]>;

/** koffi is native code, and loaded only when a library is asked for. */
export const loadKoffi = async (): Promise<Koffi> => (await import("koffi")).default;

/**
 * Loads the first library of a list that there is.
 *
 * @returns the library, or what was thrown for each that could not be loaded
 */
export const loadLibrary = async (paths: readonly string[]): Promise<KoffiLibrary | readonly unknown[]> => {
  const { load } = await loadKoffi();
  const failures: unknown[] = [];
  for (const path of paths)
    try {
      return load(path);
    } catch (error) {
      failures.push(error);
    }
  return failures;
};
