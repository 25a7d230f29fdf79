// Packages as they would be published.
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "../build.mjs";
import { cacheFolder, pnpm, run, workspaces } from "../workspace.mjs";

const packed = join(cacheFolder, "packed");

/** Builds and packs every published package; returns `{ folder, manifest, tarball }` of each. */
export const pack = async () => {
  const published = workspaces().filter(({ manifest }) => !manifest.private);
  published.forEach(assertRefusing);
  await build();
  rmSync(packed, { recursive: true, force: true });
  mkdirSync(packed, { recursive: true });
  const filters = published.flatMap(({ folder }) => ["--filter", `./${folder}`]);
  const argv = pnpm(...filters, "-r", "pack", "--pack-destination", packed);
  const { code, output } = await run(argv, { output: "capture" });
  if (code !== 0) throw new Error(`Packing failed:\n${output}`);
  return published.map((workspace) => ({ ...workspace, tarball: tarballOf(workspace.manifest) }));
};

/** Every package needs the script that rejects packing a build without declarations. */
const assertRefusing = ({ folder, manifest: { scripts } }) => {
  if (scripts?.prepack === PREPACK) return;
  throw new Error(
    `${folder}/package.json: expected the script "prepack": "${PREPACK}", got ${scripts?.prepack}; add it`,
  );
};

const PREPACK = "node ../../tools/prepack.mjs";

const tarballOf = ({ name, version }) => {
  const tarball = join(packed, `${name.replace("@", "").replace("/", "-")}-${version}.tgz`);
  if (!existsSync(tarball)) throw new Error(`${name} was not packed`);
  return tarball;
};
