// Packs every package as it would be published, and lets publint and attw judge the result.
import { dataEntriesOf, installed, run } from "../workspace.mjs";
import { pack } from "./packed.mjs";

/** Each judge as the command that judges one tarball; data files have no types to judge. */
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
