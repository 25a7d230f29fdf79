// Uses the command line as a project does: as npx finds it, and on a given Node.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { root, succeed } from "../../workspace.mjs";
import { write } from "./project.mjs";

/** The package manager finds the program, and the program knows its commands. */
export const showHelp = async (project) => {
  const help = await succeed(project, [...project.exec, "kvtuner", "--help"]);
  if (!/^ {2}tune /m.test(help)) throw new Error(`kvtuner --help does not list tune:\n${help}`);
};

/** Inspects and tunes a model and runs its plan, in the project's own folder. */
export const tuneModel = async (project, node) => {
  const model = await tinyModel(project);
  const text = write(project, "text.txt", "The quick brown fox jumps over the lazy dog. ".repeat(100));
  const study = `study-${process.hrtime.bigint()}`;
  const kvtuner = async (...argv) =>
    JSON.parse(await succeed(project, [node, "node_modules/kvtuner/dist/cli.js", ...argv, "--json"]));
  const { kind } = await kvtuner("inspect", model);
  const { picked } = await kvtuner("tune", model, "--text", text, "--out", study, "--quiet", ...QUICK);
  const { cache } = await kvtuner(
    "run",
    model,
    "--plan",
    `${study}/plan.json`,
    "--prompt",
    "The",
    "--max-tokens",
    "3",
    "--quiet",
  );
  if (kind !== "model" || !(picked.kl >= 0) || cache.tokens < 3)
    throw new Error(`kvtuner answers ${JSON.stringify({ kind, picked, cache })}`);
};

/** README's first command, as npx finds the program, with the bundled model. */
export const tuneEmbedded = async (project) => {
  const options = ["--bits", "4", "--out", `study-${process.hrtime.bigint()}`, ...EMBEDDED, "--json", "--quiet"];
  const { picked } = JSON.parse(await succeed(project, [...project.exec, "kvtuner", "tune", "embedded", ...options]));
  if (!(picked.bits <= 4 && picked.kl > 0)) throw new Error(`kvtuner picks ${JSON.stringify(picked)}`);
};

const EMBEDDED = "--mode per-token --pairs K4V4,K4V2,K2V2 --samples 1 --evaluations 3".split(" ");

const QUICK =
  "--mode per-token --pairs K8V8,K4V4,K2V2 --samples 1 --sample-length 32 --context 256 --evaluations 4".split(" ");

/** A random model of a few kilobytes, written once from the sources. */
const tinyModel = async (project) => {
  const path = join(project.folder, "tiny.gguf");
  if (existsSync(path)) return path;
  const loader = ["--conditions=@kvtuner/source", "--import", join(root, "tools/typescript-loader.mjs")];
  const source = JSON.stringify(join(root, "apps/kvtuner/test/tiny-model.ts"));
  const code = `import(${source}).then(({ writeTinyModel }) => writeTinyModel(${JSON.stringify(path)}))`;
  await succeed(project, [process.execPath, ...loader, "--eval", code]);
  return path;
};
