import { join } from "node:path";
import { expect, test } from "vitest";
import { shortNames } from "./short-names.ts";

test.each([
  [["a/t.jsonl"], ["t.jsonl"]],
  [
    ["a/t.jsonl", "b/t.jsonl", "b/u.jsonl"],
    ["a/t.jsonl", "b/t.jsonl", "u.jsonl"],
  ],
  [
    ["t.jsonl", "./b/t.jsonl"],
    ["t.jsonl", "b/t.jsonl"],
  ],
  [
    ["x/a/t.jsonl", "y/a/t.jsonl", "y/b/t.jsonl"],
    ["x/a/t.jsonl", "y/a/t.jsonl", "b/t.jsonl"],
  ],
])("files %j are called %j", (paths, names) => {
  const native = (path: string): string => join(...path.split("/"));
  expect(shortNames(paths.map(native))).toEqual(names.map(native));
});
