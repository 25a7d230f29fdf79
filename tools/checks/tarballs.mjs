// Packs every package, installs all tarballs into empty projects outside the checkout, and uses them there.
import { rmSync } from "node:fs";
import { dirname } from "node:path";
import { node24 } from "../second-node.mjs";
import { pack } from "./packed.mjs";
import { loadInBrowser } from "./tarballs/browser.mjs";
import { compile, importAll, runExamples } from "./tarballs/modules.mjs";
import { showHelp, tuneEmbedded, tuneModel } from "./tarballs/program.mjs";
import { createProject } from "./tarballs/project.mjs";

const nodesAtHand = async () => {
  const { path, skipped, failed } = await node24();
  if (failed) throw new Error(failed);
  if (skipped) console.log(`one Node only: ${skipped}`);
  const here = { name: `Node ${process.versions.node}`, path: process.execPath };
  return path ? [here, { name: "Node 24", path }] : [here];
};

const checksOf = (nodes, bundler) => [
  ...nodes.flatMap(({ name, path }) => [
    [`imported, ${name}`, (project) => importAll(project, path)],
    [`README examples, ${name}`, (project) => runExamples(project, path)],
    [`kvtuner inspect, tune, run, ${name}`, (project) => tuneModel(project, path)],
  ]),
  ["kvtuner --help", showHelp],
  ["kvtuner tune embedded", tuneEmbedded],
  ["types, node16", (project) => compile(project, "node16")],
  ["types, bundler", (project) => compile(project, "bundler")],
  [`browser page, ${bundler}`, (project) => loadInBrowser(project, bundler)],
];

const timed = async (name, work) => {
  const started = performance.now();
  const state = await work().then(
    (note) => (typeof note === "string" ? `ok (${note})` : "ok"),
    (error) => {
      process.exitCode = 1;
      return `FAILED\n${error.message}`;
    },
  );
  console.log(`${name}: ${state}, ${((performance.now() - started) / 1000).toFixed(1)} s`);
};

const checkWith = async (manager, bundler, published, nodes) => {
  let project;
  await timed(`${manager}: installed`, async () => {
    project = await createProject(manager, published);
  });
  if (project === undefined) return;
  for (const [name, check] of checksOf(nodes, bundler)) await timed(`${manager}: ${name}`, () => check(project));
  rmSync(dirname(project.folder), { recursive: true });
};

const [published, nodes] = await Promise.all([pack(), nodesAtHand()]);
console.log(`${published.length} tarballs`);
await Promise.all([checkWith("npm", "vite", published, nodes), checkWith("pnpm", "esbuild", published, nodes)]);
