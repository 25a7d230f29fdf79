// What tells a release build from the quick one of a checkout: the quick one has no declarations.
import { existsSync } from "node:fs";
import { join } from "node:path";

/** Declarations that a package's exports name and that are not there, relative to its folder. */
export const missingDeclarations = (folder, manifest) =>
  Object.values(manifest.exports ?? {})
    .flatMap(({ types }) => (types === undefined ? [] : [types]))
    .filter((path) => !existsSync(join(folder, path)));
