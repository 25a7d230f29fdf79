// Release build of all packages: programs and declarations.
import { join } from "node:path";
import { missingDeclarations } from "./declarations.mjs";
import { whenStale } from "./freshness.mjs";
import { pnpm, root, run, workspaces } from "./workspace.mjs";

/** Timestamp file of the last such build. */
export const RELEASE_STAMP = "built";

/** Throws if the build fails; its output goes to stderr. Takes a few milliseconds if nothing has changed. */
export const build = () =>
  whenStale(hasDeclarations() ? [RELEASE_STAMP] : [], RELEASE_STAMP, async () => {
    console.error("Building ...");
    const { code, output } = await run(
      pnpm("exec", "turbo", "run", "build", "--concurrency=100%", "--output-logs=errors-only"),
      { output: "capture" },
    );
    if (code !== 0) throw new Error(`The build failed:\n${output}`);
  });

/** A quick build of the same sources may have removed them. */
const hasDeclarations = () =>
  workspaces().every(({ folder, manifest }) => missingDeclarations(join(root, folder), manifest).length === 0);
