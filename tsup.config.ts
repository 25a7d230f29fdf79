import { readFileSync } from "node:fs";
import { defineConfig } from "tsup";

interface Manifest {
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly bin?: Readonly<Record<string, string>>;
}

/** `dist/name.js` is built from the source beside it in `exports`; the program in `bin` loads `dist/cli.js`. */
const entriesOf = ({ exports, bin }: Manifest): Record<string, string> => {
  const entries: Record<string, string> = {};
  for (const target of Object.values(exports)) {
    if (typeof target === "string" || target["@kvtuner/source"] === undefined) continue;
    entries[nameOf(target["default"] ?? "")] = target["@kvtuner/source"];
  }
  if (bin !== undefined) entries["cli"] = "src/cli.ts";
  return entries;
};

const nameOf = (builtPath: string): string => builtPath.replace(/^\.\/dist\//, "").replace(/\.js$/, "");

const manifest = JSON.parse(readFileSync("package.json", "utf8")) as Manifest;

/** What runs in a browser too does not declare Node's types: using `process` or `Buffer` there fails the build. */
const types = manifest.devDependencies?.["@types/node"] === undefined ? [] : ["node"];

/** Shared by all packages: ESM only, one file an entry, declarations beside it. Runs in the package's folder. */
export default defineConfig({
  entry: entriesOf(manifest),
  format: "esm",
  target: "node20",
  dts: { compilerOptions: { ignoreDeprecations: "6.0", types } },
  sourcemap: true,
  clean: true,
  silent: true,
});
