// Paths of this checkout, and how to run its commands.
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Folder for disposable files: reports, packed packages, a second Node. Git ignores it. */
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

/** Files of a package that are not modules: `package.json`, models, texts. */
export const dataEntriesOf = (manifest) =>
  Object.entries(manifest.exports ?? {}).flatMap(([subpath, target]) => (typeof target === "string" ? [subpath] : []));

/** Runs pnpm, at the version of package.json, on a machine that only has npm. */
export const pnpm = (...args) => ["npx", "--yes", manifestOf(".").packageManager, ...args];

/** A command that runs the JavaScript file of an installed tool directly with this Node. */
export const installed = (file, ...args) => [process.execPath, join(root, "node_modules", file), ...args];

/** Runs a command in a folder and returns what it wrote to stdout; throws if it fails. */
export const succeed = async ({ folder }, argv) => {
  const { code, output, stdout } = await run(argv, { output: "capture", cwd: folder });
  if (code !== 0) throw new Error(`${argv.join(" ")} ended with ${code}:\n${output}`);
  return stdout;
};

/**
 * Runs a command, by default in the checkout. Does not throw if it fails.
 *
 * @param options.cwd folder to run it in
 * @param options.output "inherit", "stderr" (everything goes there) or "capture" (everything is returned)
 * @param options.env more environment variables
 * @returns `{ code, output, stdout }`; `output` also holds stderr
 */
export const run = ([command, ...args], { output = "inherit", env = {}, cwd = root } = {}) =>
  new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      stdio: stdioOf[output],
      env: { ...process.env, ...quiet, ...env },
    });
    const [all, own] = [[], []];
    child.stdout?.on("data", (chunk) => {
      all.push(chunk);
      own.push(chunk);
    });
    child.stderr?.on("data", (chunk) => all.push(chunk));
    child.on("error", (error) => resolve({ code: 127, output: String(error), stdout: "" }));
    child.on("close", (code) => {
      const [both, stdout] = [all, own].map((chunks) => Buffer.concat(chunks).toString());
      resolve({ code: code ?? 1, output: both, stdout });
    });
  });

const stdioOf = { inherit: "inherit", stderr: ["ignore", 2, 2], capture: ["ignore", "pipe", "pipe"] };

const quiet = { TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1", NO_UPDATE_NOTIFIER: "1" };
