import { normalize, sep } from "node:path";

/** Names of files, for people: of each as many of its last folders as tell it from the others, and none where its name does. */
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
