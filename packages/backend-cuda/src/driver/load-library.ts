import type koffi from "koffi";

type Koffi = typeof koffi;

/** A C library. */
export type KoffiLibrary = ReturnType<Koffi["load"]>;

/** Loads koffi, which is native code, on first use only. */
export const loadKoffi = async (): Promise<Koffi> => (await import("koffi")).default;

/**
 * Loads the first library of a list that exists.
 *
 * @returns the library, or the error of each attempt
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
