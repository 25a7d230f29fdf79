import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { unusedExports } from "./exported-symbols.mjs";

const checkout = (files) => {
  const root = mkdtempSync(join(tmpdir(), "kvtuner-exports-"));
  onTestFinished(() => rmSync(root, { recursive: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return root;
};

test("exports that only their own package, installed and built files name are unused", () => {
  const root = checkout({
    "a/src/index.ts": 'export { called, named, own } from "./x.ts"; export type { Typed, Lost } from "./x.ts";',
    "a/src/own.ts": 'import { own } from "@k/a";',
    "a/README.md": "`named` is in the documents",
    "b/src/b.ts": 'import { called as other } from "@k/a"; type T = import("@k/a").Typed;',
    "node_modules/c/README.md": "own, Lost",
    "b/dist/b.ts": 'import type { Lost } from "@k/a";',
  });
  const packages = [
    { folder: join(root, "a"), manifest: { name: "@k/a", exports: { ".": { "@kvtuner/source": "./src/index.ts" } } } },
    { folder: join(root, "b"), manifest: { name: "@k/b" } },
  ];
  expect(unusedExports(packages, root)).toEqual(["@k/a own", "@k/a Lost"]);
});
