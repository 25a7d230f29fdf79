// The graph of imports between files, including type-only ones, and its circles.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import ts from "typescript";
import { entriesOf } from "./workspace.mjs";

/** TypeScript files of a package, below some of its folders. */
export const sourcesOf = (folder, parts = ["src", "test"]) =>
  parts
    .map((name) => join(folder, name))
    .filter((path) => existsSync(path))
    .flatMap((path) => readdirSync(path, { recursive: true }).map((name) => join(path, name)))
    .filter((path) => path.endsWith(".ts") && statSync(path).isFile());

/** Module specifiers that a file names in `import`, `export ... from` and `import()`, types included. */
export const importsOf = (path) =>
  ts.preProcessFile(readFileSync(path, "utf8")).importedFiles.map(({ fileName }) => fileName);

/** Tests and files that only tests import. The conformance suite in `src/test` is product code. */
export const isTestFile = (path) => /\.(browser-|gpu-)?test\.ts$|\/test-support\/|(?<!\/src)\/test\//.test(path);

/**
 * The imports between files of packages.
 *
 * @param packages `{ folder, manifest }`, folders absolute
 * @returns for each file the files it imports, paths absolute; a package's specifier resolves to the source of its entry
 */
export const importGraph = (packages) => {
  const entries = new Map(packages.flatMap(entrySources));
  const files = packages.flatMap(({ folder }) => sourcesOf(folder));
  const target = (path, specifier) =>
    specifier.startsWith(".") ? resolve(dirname(path), specifier) : entries.get(specifier);
  const known = new Set(files);
  const targetsOf = (path) => importsOf(path).map((specifier) => target(path, specifier));
  return new Map(files.map((path) => [path, targetsOf(path).filter((file) => known.has(file))]));
};

const entrySources = ({ folder, manifest }) =>
  entriesOf(manifest).map(({ subpath, source }) => [manifest.name + subpath.slice(1), resolve(folder, source)]);

/** Groups of files that reach each other by imports (strongly connected components, Tarjan 1972). */
export const fileCycles = (graph) => {
  const [order, low, path, open, cycles] = [new Map(), new Map(), [], new Set(), []];
  const visit = (file) => {
    order.set(file, order.size);
    low.set(file, order.get(file));
    path.push(file);
    open.add(file);
    for (const next of graph.get(file)) {
      if (!order.has(next)) visit(next);
      if (open.has(next)) low.set(file, Math.min(low.get(file), low.get(next)));
    }
    if (low.get(file) !== order.get(file)) return;
    const group = path.splice(path.indexOf(file));
    for (const member of group) open.delete(member);
    if (group.length > 1 || graph.get(file).includes(file)) cycles.push(group.sort((a, b) => (a < b ? -1 : 1)));
  };
  for (const file of graph.keys()) if (!order.has(file)) visit(file);
  return cycles;
};

/**
 * Pairs of neighbouring folders of a package that import each other, without tests. An import from `a/b/x.ts` to `a/c/d/y.ts`
 * counts as one from `a/b` to `a/c`; imports between a folder and its subfolder do not count.
 *
 * @returns `{ folders: [first, second], imports }` with the imports of the rarer direction, as `[from, to]`
 */
export const mutualFolders = (graph, packageFolder) => {
  const edges = new Map();
  for (const [from, targets] of graph)
    for (const to of targets) {
      const folders = neighboursOf(packageFolder, from, to);
      if (folders) edges.set(folders, [...(edges.get(folders) ?? []), [from, to]]);
    }
  return [...edges.keys()].flatMap((key) => {
    const [first, second] = key.split("\n");
    const [there, back] = [edges.get(key), edges.get(`${second}\n${first}`)];
    if (!back || first > second) return [];
    return [{ folders: [first, second], imports: there.length < back.length ? there : back }];
  });
};

/** The two folders of an import, below their common parent; undefined if one of the files is directly in it. */
const neighboursOf = (packageFolder, from, to) => {
  const [a, b] = [from, to].map((path) => relative(packageFolder, path).split("/"));
  if (a[0] === ".." || b[0] === ".." || isTestFile(from) || isTestFile(to)) return undefined;
  const parting = a.findIndex((name, index) => name !== b[index]);
  if (parting < 0 || parting >= Math.min(a.length, b.length) - 1) return undefined;
  return [a, b].map((names) => names.slice(0, parting + 1).join("/")).join("\n");
};
