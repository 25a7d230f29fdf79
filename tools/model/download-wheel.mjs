// Downloads one pinned wheel, and keeps it once it is complete.
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { python } from "./python.mjs";
import { sha256 } from "./sha256.mjs";

/** Path of the part's wheel in `folder`; downloads it unless it is complete already. */
export const downloadWheel = async ({ package: name, version, wheel, sha256: expected }, folder) => {
  const path = join(folder, wheel);
  if (existsSync(path) && (await sha256(path)) === expected) return path;
  await rm(path, { force: true });
  console.error(`Downloading ${name} ${version}`);
  await python(["-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, `${name}==${version}`]);
  const found = existsSync(path) ? await sha256(path) : "no such file";
  if (found === expected) return path;
  await rm(path, { force: true });
  throw new Error(`expected ${wheel} with SHA-256 ${expected}, got ${found}; it was removed`);
};
