// Uses the packages as a Node project does: imports them, runs their examples, compiles against their types.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { firstExample } from "../../readme-examples.mjs";
import { installed, succeed } from "../../workspace.mjs";
import { specifiersOf, write } from "./project.mjs";

/** Source of an object with the number of exports of each module. */
export const countedExports = (specifiers) => {
  const imports = specifiers.map((specifier, index) => `import * as module${index} from "${specifier}";\n`);
  const counts = specifiers.map((specifier, index) => `"${specifier}": Object.keys(module${index}).length,\n`);
  return { imports: imports.join(""), counts: `{\n${counts.join("")}}` };
};

/** Imports every entry point on a Node; returns how many exports each has. */
export const importAll = async (project, node) => {
  const { imports, counts } = countedExports(specifiersOf(project));
  const script = write(project, "import.mjs", `${imports}console.log(JSON.stringify(${counts}));\n`);
  const exports = JSON.parse(await succeed(project, [node, script]));
  const empty = Object.keys(exports).filter((specifier) => exports[specifier] === 0);
  if (empty.length > 0) throw new Error(`${empty.join(", ")}: nothing is exported`);
  return exports;
};

/** Runs the example of every README in the tarballs. */
export const runExamples = async (project, node) => {
  const scripts = examplesOf(project).map(({ name, text }) => {
    const compilerOptions = {
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ES2023,
      verbatimModuleSyntax: true,
    };
    return write(project, `${name}.mjs`, ts.transpileModule(text, { compilerOptions }).outputText);
  });
  const all = write(
    project,
    "examples.mjs",
    scripts.map((script) => `await import(${JSON.stringify(script)});\n`).join(""),
  );
  await succeed(project, [node, all]);
};

const examplesOf = ({ folder, published }) =>
  published.map(({ manifest: { name } }) => {
    const text = firstExample(readFileSync(join(folder, "node_modules", name, "README.md"), "utf8"));
    if (text === undefined) throw new Error(`${name}: the README in the tarball has no example`);
    return { name: `example-${name.replace("@", "").replace("/", "-")}`, text };
  });

/** Compiles imports of all entry points, and the examples, under one kind of module resolution. */
export const compile = async (project, moduleResolution) => {
  const { imports, counts } = countedExports(specifiersOf(project));
  const examples = examplesOf(project).map(({ name, text }) => write(project, `${name}.ts`, text));
  const files = [
    write(project, "imports.ts", `${imports}export const counts: Record<string, number> = ${counts};\n`),
    ...examples,
  ];
  const compilerOptions = {
    module: moduleResolution === "bundler" ? "esnext" : moduleResolution,
    moduleResolution,
    target: "es2023",
    lib: ["es2023", "dom"],
    types: ["node"],
    strict: true,
    noEmit: true,
  };
  const config = write(project, `tsconfig.${moduleResolution}.json`, JSON.stringify({ compilerOptions, files }));
  await succeed(project, installed("typescript/bin/tsc", "-p", config));
};
