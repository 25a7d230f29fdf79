// Measures the code before and after:  node tools/measure-structure.mjs [REF ...] [--json] [--steps FILE ...] [--added CONCEPT=RANGE ...]
// For each commit (HEAD by default): files and lines by package, product files that an addition touches, circles, exported
// symbols, entry sizes, and CI step times. Prints Markdown, or JSON with --json.
//   --steps FILE          step times of a check, .cache/reports/steps.json, one for each REF in order ("-" for none)
//   --added CONCEPT=A..B  product files changed between two commits, where B has one more of a concept
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { isTestFile } from "./import-graph.mjs";
import { structureOf } from "./structure.mjs";
import { root, succeed } from "./workspace.mjs";

const LIST = { type: "string", multiple: true, default: [] };
const { positionals, values: options } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean", default: false }, steps: LIST, added: LIST },
});

const git = (...args) => succeed({ folder: root }, ["git", ...args]);

/** Figures of a commit, from a temporary copy of its files. */
const measure = async (ref, index) => {
  const folder = mkdtempSync(join(tmpdir(), "kvtuner-structure-"));
  try {
    const archive = join(folder, "files.tar");
    await git("archive", "--output", archive, ref);
    await succeed({ folder }, ["tar", "-xf", archive]);
    const commit = (await git("rev-parse", "--short", ref)).trim();
    return { ref, commit, ...structureOf(folder), steps: stepsIn(options.steps[index]) };
  } finally {
    rmSync(folder, { recursive: true });
  }
};

const stepsIn = (file) =>
  file === undefined || file === "-"
    ? {}
    : Object.fromEntries(JSON.parse(readFileSync(file, "utf8")).map(({ name, seconds }) => [name, seconds]));

const changedFiles = async (range) =>
  (await git("diff", "--name-only", range, "--", "packages/*/src/*", "packages/*/kernels/*", "apps/*/src/*"))
    .split("\n")
    .filter((path) => path !== "" && !path.endsWith(".json") && !isTestFile(`/${path}`));

/** A Markdown table with a column per commit; missing figures are dashes. */
const table = (title, names, figureOf) => {
  const row = (cells) => `| ${cells.join(" | ")} |`;
  const head = [row([title, ...measured.map(({ commit }) => commit)]), row(["---", ...measured.map(() => "--:")])];
  return [...head, ...names.map((name) => row([name, ...measured.map((one) => figureOf(one, name) ?? "–")]))].join(
    "\n",
  );
};

const namesOf = (part) => [...new Set(measured.flatMap((one) => Object.keys(one[part])))];

const lines = (counts) => counts && `${counts.files} / ${counts.lines}`;

const total = ({ packages }, kind) =>
  lines(
    Object.values(packages).reduce(
      (sum, one) => ({ files: sum.files + one[kind].files, lines: sum.lines + one[kind].lines }),
      { files: 0, lines: 0 },
    ),
  );

const ofPackages = (title, kind) =>
  table(title, [...namesOf("packages"), "total"], (one, name) =>
    name === "total" ? total(one, kind) : lines(one.packages[name]?.[kind]),
  );

const CIRCLES = {
  "groups of files that import each other": ({ fileCycles }) => fileCycles.length,
  "pairs of folders that import each other": ({ mutualFolders }) => mutualFolders.length,
  "exported symbols": ({ exported }) => exported,
  "of which no other package imports and no document names": ({ unusedExports }) => unusedExports.length,
};

const markdown = (added) =>
  [
    ofPackages("product files / lines", "product"),
    ofPackages("test files / lines", "test"),
    table("entry size, kB", namesOf("packages"), (one, name) => one.packages[name]?.entryKilobytes),
    table("product files that name one", namesOf("touched"), (one, name) => one.touched[name]?.length),
    ...added.map(
      ({ concept, range, files }) => `Adding a ${concept} (${range}) changed ${files.length} product files.`,
    ),
    table("imports and exports", Object.keys(CIRCLES), (one, name) => CIRCLES[name](one)),
    ...(namesOf("steps").length > 0 ? [table("CI step, s", namesOf("steps"), (one, name) => one.steps[name])] : []),
  ].join("\n\n");

const measured = [];
for (const [index, ref] of (positionals.length > 0 ? positionals : ["HEAD"]).entries())
  measured.push(await measure(ref, index));
const added = [];
for (const [concept, range] of options.added.map((text) => text.split("=")))
  added.push({ concept, range, files: await changedFiles(range) });
console.log(options.json ? JSON.stringify({ commits: measured, added }, undefined, 2) : markdown(added));
