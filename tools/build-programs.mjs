// Quick build for a checkout: the published programs without declarations, in a tenth of the time.
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { RELEASE_STAMP } from "./build.mjs";
import { whenStale } from "./freshness.mjs";
import { entriesOf, root, run, workspaces } from "./workspace.mjs";

const STAMP = "built-programs";

/** Throws if the build fails. Takes a few milliseconds if nothing has changed. */
export const buildPrograms = () =>
  whenStale([STAMP, RELEASE_STAMP], STAMP, async () => {
    console.error("Building ...");
    await Promise.all(workspaces().map(buildKernels));
    await Promise.all(workspaces().map(bundle));
  });

const buildKernels = async ({ folder }) => {
  const script = join(root, folder, "tools/build-kernels.mjs");
  if (!existsSync(script)) return;
  const { code, output } = await run([process.execPath, script], { output: "capture" });
  if (code !== 0) throw new Error(`Building the kernels of ${folder} failed:\n${output}`);
};

const bundle = async ({ folder, manifest }) => {
  const entryPoints = entryPointsOf(manifest);
  rmSync(join(root, folder, "dist"), { recursive: true, force: true });
  const { build } = await import("esbuild"); // not installed before bootstrap
  await build({
    absWorkingDir: join(root, folder),
    entryPoints,
    outdir: "dist",
    bundle: true,
    splitting: true,
    packages: "external",
    format: "esm",
    platform: "node",
    target: "node20",
    sourcemap: true,
    logLevel: "error",
  });
};

/** Must match tsup.config.ts, which builds releases. */
const entryPointsOf = (manifest) => [
  ...entriesOf(manifest).map(({ source, built }) => ({ in: source, out: nameOf(built) })),
  ...(manifest.bin === undefined ? [] : [{ in: "src/cli.ts", out: "cli" }]),
];

const nameOf = (path) => path.replace(/^\.\/dist\//, "").replace(/\.js$/, "");
