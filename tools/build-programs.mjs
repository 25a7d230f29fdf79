// Builds what runs in a checkout: the same programs as are published, in a tenth of the time, without declarations.
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { RELEASE_STAMP } from "./build.mjs";
import { whenStale } from "./freshness.mjs";
import { entriesOf, root, run, workspaces } from "./workspace.mjs";

const STAMP = "built-programs";

/** Throws when the build fails. Costs a few milliseconds when there is nothing to do. */
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
  if (code !== 0) throw new Error(`The kernels of ${folder} were not built:\n${output}`);
};

const bundle = async ({ folder, manifest }) => {
  const entryPoints = entryPointsOf(manifest);
  rmSync(join(root, folder, "dist"), { recursive: true, force: true });
  const { build } = await import("esbuild"); // not there before dependencies are installed
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

/** As tsup.config.ts says for a release. */
const entryPointsOf = (manifest) => [
  ...entriesOf(manifest).map(({ source, built }) => ({ in: source, out: nameOf(built) })),
  ...(manifest.bin === undefined ? [] : [{ in: "src/cli.ts", out: "cli" }]),
];

const nameOf = (path) => path.replace(/^\.\/dist\//, "").replace(/\.js$/, "");
