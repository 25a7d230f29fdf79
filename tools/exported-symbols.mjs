// Lists the symbols that packages export, and those that no other package imports and no document names.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { entriesOf } from "./workspace.mjs";

const parse = (path) => ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.Latest);

/** Symbols of a package as `{ specifier, name }`, entry by entry. */
export const exportsOf = ({ folder, manifest }) =>
  entriesOf(manifest).flatMap(({ subpath, source }) =>
    parse(join(folder, source))
      .statements.flatMap(namesOf)
      .map((name) => ({ specifier: manifest.name + subpath.slice(1), name })),
  );

/** Names that a statement of an entry exports. */
const namesOf = (statement) => {
  if (ts.isExportDeclaration(statement)) return statement.exportClause?.elements.map(({ name }) => name.text) ?? [];
  if (!statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) return [];
  if (ts.isVariableStatement(statement)) return statement.declarationList.declarations.map(({ name }) => name.text);
  return [statement.name.text];
};

/**
 * Exported symbols that no file of another package imports from that entry and no Markdown file of the checkout names. Tests,
 * benchmarks and examples count as other packages' files.
 *
 * @param packages `{ folder, manifest }`
 * @param root folder of the checkout
 * @returns `specifier name` each
 */
export const unusedExports = (packages, root) => {
  const imports = new Set(packages.flatMap(importedNames));
  const documents = wordsOf(markdownOf(root));
  return packages
    .flatMap(exportsOf)
    .filter(({ specifier, name }) => !imports.has(`${specifier} ${name}`) && !documents.has(name))
    .map(({ specifier, name }) => `${specifier} ${name}`);
};

const SCRIPT = /\.(ts|mts|mjs|tsx)$/;

/** Folders that hold no source: installed, built, and changesets, which name what is gone. */
const OTHER_FOLDERS = ["node_modules", "dist", ".git", ".cache", ".changeset", ".turbo"];

const below = (folder, pattern) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return OTHER_FOLDERS.includes(entry.name) ? [] : below(path, pattern);
    return entry.isFile() && pattern.test(entry.name) ? [path] : [];
  });

/** Imports of a package from others as `specifier name`. For a namespace or `import()`, the names that the file mentions. */
const importedNames = ({ folder, manifest }) =>
  below(folder, SCRIPT).flatMap((path) =>
    importsIn(parse(path)).filter(
      (text) => !text.startsWith(`${manifest.name} `) && !text.startsWith(`${manifest.name}/`),
    ),
  );

const importsIn = (file) => {
  const found = [];
  const add = (specifier, names) => found.push(...names.map((name) => `${specifier} ${name}`));
  const words = () => [...wordsOf([file.text])];
  const visit = (node) => {
    const specifier = node.moduleSpecifier?.text;
    const bindings = node.importClause?.namedBindings ?? node.exportClause;
    if (specifier && bindings?.elements)
      add(
        specifier,
        bindings.elements.map(({ propertyName, name }) => (propertyName ?? name).text),
      );
    else if (specifier && bindings) add(specifier, words());
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword && node.arguments[0]?.text)
      add(node.arguments[0].text, words());
    if (ts.isImportTypeNode(node)) add(node.argument.literal.text, words());
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
};

const wordsOf = (texts) => new Set(texts.flatMap((text) => text.match(/[A-Za-z_$][\w$]*/g) ?? []));

const markdownOf = (root) => below(root, /\.md$/).map((path) => readFileSync(path, "utf8"));
