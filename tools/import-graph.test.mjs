import { expect, test } from "vitest";
import { fileCycles, isTestFile, mutualFolders } from "./import-graph.mjs";

const graphOf = (edges) =>
  new Map(Object.entries(edges).map(([file, targets]) => [`/p/${file}`, targets.map((to) => `/p/${to}`)]));

test("files that reach each other are one circle, others none", () => {
  const graph = graphOf({ a: ["b"], b: ["c", "d"], c: ["a"], d: ["e"], e: [], f: ["f"] });
  expect(fileCycles(graph)).toEqual([["/p/a", "/p/b", "/p/c"], ["/p/f"]]);
});

test("neighbouring folders import each other, whichever files do", () => {
  const graph = graphOf({
    "src/x/one.ts": ["src/y/two.ts"],
    "src/x/three.ts": ["src/y/two.ts"],
    "src/y/two.ts": [],
    "src/y/deep/four.ts": ["src/x/one.ts"],
  });
  expect(mutualFolders(graph, "/p")).toEqual([
    { folders: ["src/x", "src/y"], imports: [["/p/src/y/deep/four.ts", "/p/src/x/one.ts"]] },
  ]);
});

test.each([
  ["one way", { "src/x/one.ts": ["src/y/two.ts"], "src/y/two.ts": [] }],
  ["a folder and one inside it", { "src/x/one.ts": ["src/x/y/two.ts"], "src/x/y/two.ts": ["src/x/one.ts"] }],
  ["tests", { "src/x/one.test.ts": ["src/y/two.ts"], "src/y/two.ts": ["src/x/three.ts"], "src/x/three.ts": [] }],
])("folders do not import each other: %s", (_, edges) => {
  expect(mutualFolders(graphOf(edges), "/p")).toEqual([]);
});

test.each([
  ["/p/src/a.gpu-test.ts", true],
  ["/p/src/x/test-support/a.ts", true],
  ["/p/test/tiny-model.ts", true],
  ["/p/src/test/laws.ts", false],
  ["/p/src/latest.ts", false],
])("%s is read by tests alone: %s", (path, expected) => {
  expect(isTestFile(path)).toBe(expected);
});
