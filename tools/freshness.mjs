// Whether a build is newer than all sources.
import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, root, workspaces } from "./workspace.mjs";

/** Runs a build unless one of the stamps is newer than every source, then sets its own stamp. */
export const whenStale = async (stamps, ownStamp, build) => {
  const started = new Date();
  if (stamps.some(isFresh)) return;
  await build();
  mkdirSync(cacheFolder, { recursive: true });
  writeFileSync(fileOf(ownStamp), "");
  utimesSync(fileOf(ownStamp), started, started); // a source saved during the build counts as newer
};

const fileOf = (stamp) => join(cacheFolder, stamp);

const isFresh = (stamp) =>
  existsSync(fileOf(stamp)) &&
  isBuilt() &&
  newest(inputs().map((path) => join(root, path))) < statSync(fileOf(stamp)).mtimeMs;

const isBuilt = () => workspaces().every(({ folder }) => existsSync(join(root, folder, "dist")));

const inputs = () => [
  "tsup.config.ts",
  "tsconfig.base.json",
  "pnpm-lock.yaml",
  ...workspaces().flatMap(({ folder }) => [`${folder}/package.json`, `${folder}/tsconfig.json`, `${folder}/src`]),
  "packages/backend-cpu/kernels",
  "packages/backend-cpu/tools",
  "packages/backend-webgpu/kernels",
  "packages/backend-webgpu/tools",
];

/** Time of the newest file or folder in some paths. Deleting a file changes its folder's time. */
const newest = (paths) =>
  paths.reduce((latest, path) => {
    const stat = statSync(path);
    const below = stat.isDirectory() ? newest(readdirSync(path).map((name) => join(path, name))) : 0;
    return Math.max(latest, stat.mtimeMs, below);
  }, 0);
