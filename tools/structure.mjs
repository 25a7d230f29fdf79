// Figures about the structure of a checkout, for tools/measure-structure.mjs. Only reads files.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { exportsOf, unusedExports } from "./exported-symbols.mjs";
import { fileCycles, importGraph, isTestFile, mutualFolders } from "./import-graph.mjs";

/** Where packages are, and what to measure of each. */
const PARENTS = ["packages", "apps", "examples", "benchmarks"];

/** Extensions of files with code. */
const CODE = /\.(ts|mts|js|mjs|cu|cuh|wgsl)$/;

/** Folders of product code in a package, without tests. Others (benchmarks, build scripts) count as other. */
const PRODUCT = /^(src|kernels)\//;

/**
 * Product files that an addition touches: those that decide by the concept's discriminator, or name an existing instance of it.
 * Misses files that depend on the concept in other ways, so the figure is a lower bound. An option counts where it is declared,
 * not where it is used.
 */
const CONCEPTS = {
  codec:
    /\b(bits|format|axis|transform)\s*(===|!==)\s*(["']|16\b)|["'](affine|float16|float8)["']|case ["'](channel|token)["']/,
  architecture: /["'](llama|qwen2|qwen3|gemma2?)["']|\barchitecture\s*(===|!==)/,
  option:
    /\b(windowLength|sampleLength)\??: (number;|z\.|wholeNumber|(\{ \.\.\.)?wholeOption)|["'](--)?window-length\b/,
  objective: /\bobjective\b.{0,30}(===|!==)|["']both["']/,
  limit: /\bkind\b.{0,6}(===|!==)\s*["'](bits|bytes|kl|knee|equivalent-bits)["']|["']equivalent-bits["']/,
};

/** Packages with unrelated words that look like a concept's discriminator. */
const OTHER_WORDS = { codec: ["@kvtuner/search"], objective: ["@kvtuner/search"] };

/**
 * Measures a checkout.
 *
 * @param root its folder
 * @returns figures by package, files by concept, circles, exported symbols and entry sizes
 */
export const structureOf = (root) => {
  const packages = packagesOf(root);
  const graph = importGraph(packages);
  return {
    packages: Object.fromEntries(
      packages.map((one) => [one.manifest.name, { ...linesOf(one.folder), ...sizeOf(one) }]),
    ),
    touched: Object.fromEntries(
      Object.entries(CONCEPTS).map(([concept, pattern]) => [concept, filesNaming(packages, concept, pattern, root)]),
    ),
    fileCycles: fileCycles(graph).map((files) => files.map((file) => relative(root, file))),
    mutualFolders: packages.flatMap(({ folder }) =>
      mutualFolders(graph, folder).map(({ folders }) => folders.map((name) => join(relative(root, folder), name))),
    ),
    exported: packages.flatMap(exportsOf).length,
    unusedExports: unusedExports(packages, root),
  };
};

/** All packages, applications, examples and benchmarks of a checkout as `{ folder, manifest }`, folders absolute. */
export const packagesOf = (root) =>
  PARENTS.flatMap((parent) => [parent, ...foldersIn(join(root, parent)).map((name) => join(parent, name))])
    .map((name) => join(root, name))
    .filter((folder) => existsSync(join(folder, "package.json")))
    .map((folder) => ({ folder, manifest: JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) }));

const foldersIn = (folder) =>
  existsSync(folder) ? readdirSync(folder).filter((name) => statSync(join(folder, name)).isDirectory()) : [];

/** Files with code in a folder, except generated and installed ones. */
const codeOf = (folder) =>
  readdirSync(folder, { recursive: true })
    .filter((name) => CODE.test(name) && !/(^|\/)(node_modules|dist|generated)\//.test(name))
    .filter((name) => statSync(join(folder, name)).isFile());

const countLines = (path) => readFileSync(path, "utf8").split("\n").length - 1;

const kindOf = (folder, name) => {
  if (isTestFile(join(folder, name)) || name.startsWith("test-support/")) return "test";
  return PRODUCT.test(name) ? "product" : "other";
};

const linesOf = (folder) => {
  const counts = { product: { files: 0, lines: 0 }, test: { files: 0, lines: 0 }, other: { files: 0, lines: 0 } };
  for (const name of codeOf(folder)) {
    const count = counts[kindOf(folder, name)];
    count.files++;
    count.lines += countLines(join(folder, name));
  }
  return counts;
};

/** The size of the package's main entry in its README, which the check `size` keeps within a tenth. */
const sizeOf = ({ folder }) => {
  const readme = join(folder, "README.md");
  const stated = existsSync(readme) && /^Size: ([\d.]+) kB/m.exec(readFileSync(readme, "utf8"));
  return stated ? { entryKilobytes: Number(stated[1]) } : {};
};

const filesNaming = (packages, concept, pattern, root) =>
  packages
    .filter(({ manifest }) => !OTHER_WORDS[concept]?.includes(manifest.name))
    .flatMap(({ folder }) =>
      codeOf(folder)
        .filter((name) => kindOf(folder, name) === "product")
        .map((name) => join(folder, name)),
    )
    .filter((path) => pattern.test(readFileSync(path, "utf8")))
    .map((path) => relative(root, path));
