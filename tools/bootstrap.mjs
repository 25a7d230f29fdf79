// Installs the dependencies if they are missing or older than the lockfile; otherwise prints nothing.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pnpm, root, run } from "./workspace.mjs";

const stampFile = join(root, "node_modules", ".installed");

/** Throws when the installation fails; its output goes to stderr. */
export const bootstrap = async () => {
  const wanted = fingerprint();
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === wanted) return;
  console.error("Installing dependencies ...");
  const { code } = await run(pnpm("install", "--frozen-lockfile", "--reporter=append-only"), { output: "stderr" });
  if (code !== 0) throw new Error(`Installing dependencies failed with exit code ${code}; see its output above.`);
  writeFileSync(stampFile, wanted);
};

const fingerprint = () => {
  const hash = createHash("sha256");
  for (const file of ["pnpm-lock.yaml", "pnpm-workspace.yaml"]) hash.update(readFileSync(join(root, file)));
  return hash.digest("hex");
};
