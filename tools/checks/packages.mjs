// Packs every package as for publishing, and checks the result with publint and attw.
import { dataEntriesOf, installed, run } from "../workspace.mjs";
import { pack } from "./packed.mjs";

/** Each checker as a command for one tarball; data files have no types to check. */
const judges = [
  ({ tarball }) => installed("publint/src/cli.js", "run", tarball, "--strict"),
  ({ manifest, tarball }) => [
    ...installed("@arethetypeswrong/cli/dist/index.js", tarball, "--profile", "esm-only", "--format", "ascii"),
    "--exclude-entrypoints",
    ...dataEntriesOf(manifest),
  ],
];

const judge = async (published) => {
  const { manifest } = published;
  const verdicts = await Promise.all(judges.map((command) => run(command(published), { output: "capture" })));
  for (const { code, output } of verdicts) {
    if (code === 0) continue;
    console.error(`${manifest.name}: ${output}`);
    process.exitCode = 1;
  }
};

for (const published of await pack()) await judge(published);
