// Raises versions for the next release in a temporary clone: every changeset must count.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installed, root, succeed, workspaces } from "../workspace.mjs";

const changesets = (...args) => installed("@changesets/cli/bin.js", ...args);

/** Names of changesets in a checkout. */
const pending = (folder) =>
  readdirSync(join(folder, ".changeset")).filter((name) => name.endsWith(".md") && name !== "README.md");

/** Faults of a package once versions are raised. */
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
  await succeed({ folder: root }, ["git", "clone", "--quiet", root, clone]);
  symlinkSync(join(root, "node_modules"), join(clone, "node_modules"));
  const texts = named(clone);
  await succeed({ folder: clone }, changesets("version"));
  const left = pending(clone).map((name) => `${name} was not used`);
  const changed = workspaces().filter(({ manifest: { name } }) => new RegExp(`^["']?${name}["']?:`, "m").test(texts));
  return [...left, ...changed.map((workspace) => faultOf(clone, workspace))].filter(Boolean);
};

await succeed({ folder: root }, changesets("status"));
const folder = mkdtempSync(join(tmpdir(), "kvtuner-release-"));
try {
  const faults = await raise(join(folder, "clone"));
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
