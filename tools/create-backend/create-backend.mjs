// Copies the example of docs/backend-guide.md into a package of its own.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { manifestOf, root } from "../workspace.mjs";

const template = join(root, "tools/create-backend/template");
const examples = join(root, "packages/backend/examples");

/** Writes a package with a backend `name`, in kebab-case, into a folder that is new or empty. */
export const createBackendPackage = (name, folder) => {
  assertName(name);
  assertEmpty(folder);
  for (const [path, text] of filesOf(name)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
};

const filesOf = (name) => [
  ...readdirSync(template).map((file) => [file, filled(readFileSync(join(template, file), "utf8"), name)]),
  ...readdirSync(examples)
    .filter((file) => file !== "guide.test.ts")
    .map((file) => [`src/${renamed(file, name)}`, renamed(readFileSync(join(examples, file), "utf8"), name)]),
  ["src/index.ts", `export { create${pascalCase(name)}Backend } from "./${name}-backend.ts";\n`],
  [".gitignore", "dist/\nnode_modules/\n"],
];

const renamed = (text, name) =>
  text
    .replaceAll("ExampleBackend", `${pascalCase(name)}Backend`)
    .replaceAll("example-backend", `${name}-backend`)
    .replaceAll('"example"', `"${name}"`);

const filled = (text, name) =>
  text
    .replaceAll("{{NAME}}", name)
    .replaceAll("{{PASCAL_NAME}}", pascalCase(name))
    .replaceAll(
      /"workspace:(@kvtuner\/([a-z-]+))"/g,
      (_, _package, folder) => `"^${manifestOf(`packages/${folder}`).version}"`,
    )
    .replaceAll(/"catalog:([a-z-]+)"/g, (_, dependency) => `"^${catalogVersion(dependency)}"`);

const catalogVersion = (dependency) => {
  const line = new RegExp(`^ {2}"?${dependency}"?: (.+)$`, "m");
  return line.exec(readFileSync(join(root, "pnpm-workspace.yaml"), "utf8"))[1];
};

const pascalCase = (name) => name.replaceAll(/(?:^|-)([a-z0-9])/g, (_, letter) => letter.toUpperCase());

const assertName = (name) => {
  if (/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name ?? "")) return;
  throw new CreateBackendError(
    `expected NAME in kebab-case, like my-gpu, got ${JSON.stringify(name ?? "nothing")}; usage: node tools/create-backend NAME [DIR]`,
  );
};

const assertEmpty = (folder) => {
  if (!existsSync(folder) || readdirSync(folder).length === 0) return;
  throw new CreateBackendError(`expected a folder that is new or empty, ${folder} has files in it; give another DIR`);
};

/** The request cannot be carried out. */
export class CreateBackendError extends Error {}
