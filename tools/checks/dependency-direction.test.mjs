import { expect, test } from "vitest";
import { importFault } from "./dependency-direction.mjs";

const fault = (name, file, specifier) =>
  importFault({
    name: `@kvtuner/${name}`,
    folder: `/packages/${name}`,
    path: `/packages/${name}/src/${file}`,
    specifier,
  });

test.for([
  ["quantizers", "affine.ts", "@kvtuner/plan"],
  ["evaluation", "evaluator.ts", "@kvtuner/plan"],
  ["decoder", "gguf/file-source.ts", "node:fs/promises"],
  ["plan", "preset-yaml.test.ts", "node:fs"],
  ["plan", "deep/a.ts", "../b.ts"],
])("%s may import, in %s, %s", ([name, file, specifier]) => {
  expect(fault(name, file, specifier)).toBeUndefined();
});

test.for([
  ["plan", "plan.ts", "@kvtuner/quantizers", "against the arrows"],
  ["decoder", "model.ts", "@kvtuner/evaluation/test", "against the arrows"],
  ["search", "nsga2.ts", "kvtuner", "against the arrows"],
  ["search", "nsga2.ts", "fs", "browser"],
  ["plan", "preset.ts", "node:fs", "browser"],
  ["plan", "deep/a.ts", "../../../search/src/index.ts", "leaves its package"],
])("%s may not import, in %s, %s", ([name, file, specifier, reason]) => {
  expect(fault(name, file, specifier)).toContain(reason);
});
