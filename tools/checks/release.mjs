// What the next release would be: every changeset counts, in a clone that is thrown away.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installed, root, run, workspaces } from "../workspace.mjs";

const succeed = async (argv, cwd) => {
  const { code, output } = await run(argv, { output: "capture", cwd });
  if (code !== 0) throw new Error(`${argv.slice(0, 3).join(" ")} failed:\n${output}`);
};

const changesets = (...args) => installed("@changesets/cli/bin.js", ...args);

/** Names of changesets in a checkout. */
const pending = (folder) =>
  readdirSync(join(folder, ".changeset")).filter((name) => name.endsWith(".md") && name !== "README.md");

/** What is wrong with a package once versions are raised. */
const faultOf = (clone, { folder, manifest: { name, version } }) => {
  const raised = JSON.parse(readFileSync(join(clone, folder, "package.json"), "utf8")).version;
  if (raised === version) return `${name} stays at ${version}`;
  return existsSync(join(clone, folder, "CHANGELOG.md")) ? undefined : `${name} ${raised} has no CHANGELOG.md`;
};

const named = (clone) =>
  pending(clone)
    .map((name) => readFileSync(join(clone, ".changeset", name), "utf8"))
    .join("");

const raise = async (clone) => {
  await succeed(["git", "clone", "--quiet", root, clone], root);
  symlinkSync(join(root, "node_modules"), join(clone, "node_modules"));
  const texts = named(clone);
  await succeed(changesets("version"), clone);
  const left = pending(clone).map((name) => `${name} was not used`);
  const changed = workspaces().filter(({ manifest: { name } }) => new RegExp(`^["']?${name}["']?:`, "m").test(texts));
  return [...left, ...changed.map((workspace) => faultOf(clone, workspace))].filter(Boolean);
};

await succeed(changesets("status"), root);
const folder = mkdtempSync(join(tmpdir(), "kvtuner-release-"));
try {
  const faults = await raise(join(folder, "clone"));
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
