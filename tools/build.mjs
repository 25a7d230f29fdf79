// Builds the packages when a source is newer than the last build.
import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, pnpm, root, run, workspaces } from "./workspace.mjs";

const stampFile = join(cacheFolder, "built");

/** Throws when the build fails; its output goes to stderr. Costs a few milliseconds when there is nothing to do. */
export const build = async () => {
  const started = new Date();
  if (isFresh()) return;
  console.error("Building ...");
  const { code, output } = await run(
    pnpm("exec", "turbo", "run", "build", "--concurrency=100%", "--output-logs=errors-only"),
    {
      output: "capture",
    },
  );
  if (code !== 0) throw new Error(`The build failed:\n${output}`);
  mkdirSync(cacheFolder, { recursive: true });
  writeFileSync(stampFile, "");
  utimesSync(stampFile, started, started); // a source saved during the build is newer than it
};

const isFresh = () =>
  existsSync(stampFile) && isBuilt() && newest(inputs().map((path) => join(root, path))) < statSync(stampFile).mtimeMs;

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

/** The time of the newest file or folder at or below some paths; a folder is touched when a file of it goes. */
const newest = (paths) =>
  paths.reduce((latest, path) => {
    const stat = statSync(path);
    const below = stat.isDirectory() ? newest(readdirSync(path).map((name) => join(path, name))) : 0;
    return Math.max(latest, stat.mtimeMs, below);
  }, 0);
