import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

/** Folder of a package installed next to this one or in one of `folders`. Does not load it. */
export const installedPackage = (name: string, folders: readonly string[] = []): string | undefined =>
  [...(createRequire(import.meta.url).resolve.paths(name) ?? []), ...folders]
    .map((folder) => join(folder, name))
    .find((folder) => existsSync(join(folder, "package.json")));
