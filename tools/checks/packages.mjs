// Packs every package as it would be published, and lets publint and attw judge the result.
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, installed, pnpm, run, workspaces } from "../workspace.mjs";

const packed = join(cacheFolder, "packed");

const pack = async () => {
  rmSync(packed, { recursive: true, force: true });
  mkdirSync(packed, { recursive: true });
  const filters = workspaces().flatMap(({ folder }) => ["--filter", `./${folder}`]);
  const { code, output } = await run(pnpm(...filters, "-r", "pack", "--pack-destination", packed), {
    output: "capture",
  });
  if (code !== 0) throw new Error(`Packing failed:\n${output}`);
};

const tarballOf = (manifest) => {
  const start = manifest.name.replace("@", "").replace("/", "-");
  const name = readdirSync(packed).find((file) => file === `${start}-${manifest.version}.tgz`);
  if (!name) throw new Error(`${manifest.name} was not packed`);
  return join(packed, name);
};

/** Each judge as the command that judges one tarball. */
const judges = [
  (tarball) => installed("publint/src/cli.js", "run", tarball, "--strict"),
  (tarball) => installed("@arethetypeswrong/cli/dist/index.js", tarball, "--profile", "esm-only", "--format", "ascii"),
];

const judge = async ({ manifest }) => {
  const tarball = tarballOf(manifest);
  const verdicts = await Promise.all(judges.map((command) => run(command(tarball), { output: "capture" })));
  for (const { code, output } of verdicts) {
    if (code === 0) continue;
    console.error(`${manifest.name}: ${output}`);
    process.exitCode = 1;
  }
};

await pack();
for (const workspace of workspaces().filter(({ manifest }) => !manifest.private)) await judge(workspace);
