import { normalize, sep } from "node:path";

/** Short names of files, for people: each with just enough of its last folders to be unique, or none. */
export const shortNames = (paths: readonly string[]): string[] => {
  const parts = paths.map((path) => normalize(path).split(sep));
  return paths.map((path, index) => {
    const depths = Array.from(parts[index] ?? [], (_, folders) => folders + 1);
    const own = depths.find((depth) => {
      const name = ending(parts[index] ?? [], depth);
      return parts.every((other, at) => at === index || ending(other, depth) !== name);
    });
    return own === undefined ? path : ending(parts[index] ?? [], own);
  });
};

const ending = (parts: readonly string[], depth: number): string => parts.slice(-depth).join(sep);
