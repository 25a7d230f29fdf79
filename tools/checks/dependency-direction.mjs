// Packages import each other only along the arrows of docs/architecture.md, and packages for browsers import nothing of
// Node. Neither files nor folders of a package may import each other in a circle, even by types. Packages export only what
// another package imports or a document names.
import { builtinModules } from "node:module";
import { join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { unusedExports } from "../exported-symbols.mjs";
import { fileCycles, importGraph, importsOf, mutualFolders, sourcesOf } from "../import-graph.mjs";
import { packagesOf } from "../structure.mjs";
import { root, workspaces } from "../workspace.mjs";

/** Each package's direct dependencies; theirs are allowed too. */
export const arrows = {
  "@kvtuner/plan": [],
  "@kvtuner/quantizers": ["@kvtuner/plan"],
  "@kvtuner/sensitivity": ["@kvtuner/plan"],
  "@kvtuner/clustering": ["@kvtuner/plan"],
  "@kvtuner/search": ["@kvtuner/plan"],
  "@kvtuner/embedded-model": [],
  "@kvtuner/backend": ["@kvtuner/quantizers"],
  "@kvtuner/backend-cpu": ["@kvtuner/backend"],
  "@kvtuner/backend-webgpu": ["@kvtuner/backend"],
  "@kvtuner/backend-cuda": ["@kvtuner/backend"],
  "@kvtuner/decoder": ["@kvtuner/backend"],
  "@kvtuner/evaluation": ["@kvtuner/decoder"],
  "@kvtuner/hub": ["@kvtuner/decoder"],
  "@kvtuner/tuning": ["@kvtuner/evaluation", "@kvtuner/sensitivity", "@kvtuner/clustering", "@kvtuner/search"],
  "@kvtuner/report": ["@kvtuner/tuning"],
};

/** Applications, which may import every package. */
const applications = ["kvtuner", "@kvtuner/studio"];

/** What must run in a browser unchanged. */
export const browserPackages = [
  "plan",
  "quantizers",
  "sensitivity",
  "clustering",
  "search",
  "tuning",
  "report",
  "embedded-model",
].map((name) => `@kvtuner/${name}`);

const reachable = (name) => {
  if (applications.includes(name)) return Object.keys(arrows);
  if (!(name in arrows)) throw new Error(`${name} is missing from the arrows in tools/checks/dependency-direction.mjs`);
  return arrows[name].flatMap((below) => [below, ...reachable(below)]);
};

const packageName = (specifier) => specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");

const isNodeModule = (specifier) => specifier.startsWith("node:") || builtinModules.includes(specifier);

/** What is wrong with one import of one file, or undefined. */
export const importFault = ({ name, folder, path, specifier }) => {
  const allowed = [name, ...reachable(name)];
  if (specifier.startsWith(".")) {
    if (relative(folder, resolve(path, "..", specifier)).startsWith("..")) return `leaves its package: ${specifier}`;
  } else if (isNodeModule(specifier)) {
    if (browserPackages.includes(name) && !path.endsWith(".test.ts")) return `must run in a browser: ${specifier}`;
  } else if (isOurs(specifier) && !allowed.includes(packageName(specifier))) return `against the arrows: ${specifier}`;
};

const isOurs = (specifier) => specifier.startsWith("@kvtuner/") || packageName(specifier) === "kvtuner";

const faultsOf = ({ folder, manifest: { name, ...manifest } }) => {
  const declared = ["dependencies", "devDependencies", "peerDependencies"].flatMap((kind) =>
    Object.keys(manifest[kind] ?? {}).map((specifier) => ({ path: join(root, folder, "package.json"), specifier })),
  );
  const imported = sourcesOf(join(root, folder), ["src"]).flatMap((path) =>
    importsOf(path).map((specifier) => ({ path, specifier })),
  );
  return [...declared, ...imported].flatMap(({ path, specifier }) => {
    const fault = importFault({ name, folder: join(root, folder), path, specifier });
    return fault ? [`${relative(root, path)} ${fault}`] : [];
  });
};

const namesOf = (files) => files.map((file) => relative(root, file));

/** The circles of each package, as text. */
const circlesOf = (packages) => {
  const graph = importGraph(packages);
  const cycles = fileCycles(graph);
  return packages.map(({ folder, manifest: { name } }) => {
    const own = cycles.filter(([file]) => file.startsWith(`${folder}/`));
    const pairs = mutualFolders(graph, folder);
    return { name, circles: [...own.map((files) => `files: ${namesOf(files).join(", ")}`), ...pairs.map(pairText)] };
  });
};

const pairText = ({ folders, imports }) =>
  `folders: ${folders.join(" and ")}, by ${imports.map((files) => namesOf(files).join(" -> ")).join(", ")}`;

const circleFaults = (packages) =>
  circlesOf(packages).flatMap(({ name, circles }) => circles.map((circle) => `${name} has a circle of ${circle}`));

const exportFaults = (packages) =>
  unusedExports(packages, root).map(
    (symbol) =>
      `expected another package to import, or a Markdown file to name, every exported symbol, got ${symbol}; ` +
      "stop exporting it from the package's entry, or name it in the package's README where its function stands",
  );

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const packages = packagesOf(root);
  const faults = [...workspaces().flatMap(faultsOf), ...circleFaults(packages), ...exportFaults(packages)];
  for (const fault of faults) console.error(fault);
  process.exitCode = faults.length > 0 ? 1 : 0;
}
