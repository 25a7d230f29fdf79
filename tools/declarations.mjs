// Tells a release build from a checkout's quick build, which has no declarations.
import { existsSync } from "node:fs";
import { join } from "node:path";

/** Missing declarations that a package's exports name, relative to its folder. */
export const missingDeclarations = (folder, manifest) =>
  Object.values(manifest.exports ?? {})
    .flatMap(({ types }) => (types === undefined ? [] : [types]))
    .filter((path) => !existsSync(join(folder, path)));
