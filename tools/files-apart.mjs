// Test files that replace modules. Each needs its own worker, because another file may have loaded the original.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { root, workspaces } from "./workspace.mjs";

const REPLACES = /\bvi\.(mock|doMock|resetModules)\(/;

const testsBelow = (folder) =>
  readdirSync(folder, { recursive: true })
    .filter((name) => /(?<!-)test\.ts$/.test(name))
    .map((name) => join(folder, name));

/** Paths relative to the checkout. */
export const filesApart = () =>
  workspaces()
    .flatMap(({ folder }) => ["src", "test"].map((name) => join(root, folder, name)))
    .filter((folder) => existsSync(folder))
    .flatMap(testsBelow)
    .filter((path) => REPLACES.test(readFileSync(path, "utf8")))
    .map((path) => relative(root, path));
