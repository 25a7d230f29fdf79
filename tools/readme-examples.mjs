// Makes the first TypeScript block of a package's README importable by tests.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const moduleName = "README.example.ts";

/** Path for importing the example of a folder's README; no such file exists. */
export const examplePath = (folder) => join(folder, moduleName);

/** The first ts block of a README, or undefined. */
export const firstExample = (readme) => /^```ts\n([\s\S]*?)^```$/m.exec(readme)?.[1];

/** The vite plugin that resolves the paths of `examplePath`. */
export const readmeExamples = () => ({
  name: "readme-examples",
  enforce: "pre",
  resolveId: (id) => (id.endsWith(moduleName) ? id : undefined),
  load: (id) => (id.endsWith(moduleName) ? exampleOf(dirname(id)) : undefined),
});

const exampleOf = (folder) => firstExample(readFileSync(join(folder, "README.md"), "utf8")) ?? "";
