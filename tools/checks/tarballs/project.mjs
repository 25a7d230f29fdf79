// An empty project outside the checkout, into which all tarballs are installed.
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { entriesOf, pnpm, root, run } from "../../workspace.mjs";

/** Extra packages for examples and types. `@kvtuner/backend/test` needs the last two, which npm does not install by itself. */
const others = {
  npm: ["onnxruntime-common", "@types/node"],
  pnpm: ["onnxruntime-common", "@types/node", "fast-check", "vitest"],
};

/** `{ name, folder, published, exec }` of a project made by npm or pnpm; `exec` is the command that runs an installed program. */
export const createProject = async (name, published) => {
  const folder = join(mkdtempSync(join(tmpdir(), `kvtuner-${name}-`)), "project");
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifestOf(name, published), null, 2));
  const { code, output } = await run(install[name], { output: "capture", cwd: folder, env: WITHOUT_CUDA });
  if (code !== 0) throw new Error(`${name} does not install the tarballs:\n${output}`);
  return { name, folder, published, exec: exec[name] };
};

/** onnxruntime-node's script would fetch CUDA libraries from another host; READMEs say to set this where it cannot. */
const WITHOUT_CUDA = { ONNXRUNTIME_NODE_INSTALL: "skip" };

const install = {
  npm: ["npm", "install", "--prefix", ".", "--prefer-offline", "--no-audit", "--no-fund"],
  pnpm: pnpm("install", "--dir", ".", "--ignore-workspace", "--prefer-offline", "--no-frozen-lockfile"),
};

const exec = {
  npm: ["npm", "exec", "--prefix", ".", "--no", "--"],
  pnpm: pnpm("--dir", ".", "exec"),
};

/** Resolves the packages' dependencies on each other to tarballs, because no registry has them. */
const manifestOf = (name, published) => {
  const tarballs = Object.fromEntries(published.map(({ manifest, tarball }) => [manifest.name, `file:${tarball}`]));
  const { catalog } = parse(readFileSync(join(root, "pnpm-workspace.yaml"), "utf8"));
  const third = Object.fromEntries(others[name].map((other) => [other, catalog[other]]));
  return {
    name: "empty",
    private: true,
    type: "module",
    dependencies: { ...tarballs, ...third },
    ...(name === "pnpm" && { pnpm: { overrides: tarballs } }),
  };
};

/** Entry points of the packages in a project. */
export const specifiersOf = ({ name, published }) =>
  published.flatMap(({ manifest }) =>
    entriesOf(manifest)
      .map(({ subpath }) => manifest.name + subpath.slice(1))
      .filter((specifier) => name === "pnpm" || specifier !== "@kvtuner/backend/test"),
  );

/** Writes a file of the project; returns its path. */
export const write = ({ folder }, name, text) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
