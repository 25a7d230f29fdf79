// Where things are in this checkout, and how its commands are run.
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Folder for what may be thrown away: reports, packed packages, a second Node. Git ignores it. */
export const cacheFolder = join(root, ".cache");

/** The parsed package.json of a folder, relative to the checkout. */
export const manifestOf = (folder) => JSON.parse(readFileSync(join(root, folder, "package.json"), "utf8"));

/** All packages and applications as `{ folder, manifest }`, folders relative to the checkout. */
export const workspaces = () =>
  ["packages", "apps"]
    .flatMap((parent) => readdirSync(join(root, parent)).map((name) => `${parent}/${name}`))
    .filter((folder) => existsSync(join(root, folder, "package.json")))
    .map((folder) => ({ folder, manifest: manifestOf(folder) }));

/** The source files a package exports, as `{ subpath, source }`, relative to the package. */
export const entriesOf = (manifest) =>
  Object.entries(manifest.exports ?? {}).flatMap(([subpath, target]) =>
    target["@kvtuner/source"] ? [{ subpath, source: target["@kvtuner/source"], built: target.default }] : [],
  );

/** The files a package offers that are no modules: `package.json`, models, texts. */
export const dataEntriesOf = (manifest) =>
  Object.entries(manifest.exports ?? {}).flatMap(([subpath, target]) => (typeof target === "string" ? [subpath] : []));

/** A command that runs pnpm, at the version of package.json, on a machine that only has npm. */
export const pnpm = (...args) => ["npx", "--yes", manifestOf(".").packageManager, ...args];

/** A command that runs the JavaScript file of an installed tool with this Node, with no start-up but its own. */
export const installed = (file, ...args) => [process.execPath, join(root, "node_modules", file), ...args];

/** Runs a command in a folder and returns what it printed; throws when it fails. */
export const succeed = async ({ folder }, argv) => {
  const { code, output } = await run(argv, { output: "capture", cwd: folder });
  if (code !== 0) throw new Error(`${argv.join(" ")} ended with ${code}:\n${output}`);
  return output;
};

/**
 * Runs a command, in the checkout if nothing else is said; one that fails does not throw.
 *
 * @param options.cwd folder to run it in
 * @param options.output "inherit", "stderr" (everything goes there) or "capture" (everything is returned)
 * @param options.env more environment variables
 * @returns `{ code, output }`
 */
export const run = ([command, ...args], { output = "inherit", env = {}, cwd = root } = {}) =>
  new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      stdio: stdioOf[output],
      env: { ...process.env, ...quiet, ...env },
    });
    const chunks = [];
    child.stdout?.on("data", (chunk) => chunks.push(chunk));
    child.stderr?.on("data", (chunk) => chunks.push(chunk));
    child.on("error", (error) => resolve({ code: 127, output: String(error) }));
    child.on("close", (code) => resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString() }));
  });

const stdioOf = { inherit: "inherit", stderr: ["ignore", 2, 2], capture: ["ignore", "pipe", "pipe"] };

const quiet = { TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1", NO_UPDATE_NOTIFIER: "1" };
