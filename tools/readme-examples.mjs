// Makes the first TypeScript block of a package's README a module that tests can import.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const moduleName = "README.example.ts";

/** Path under which the example of the README in a folder is imported; no such file exists. */
export const examplePath = (folder) => join(folder, moduleName);

/** The first ts block of a README, or undefined. */
export const firstExample = (readme) => /^```ts\n([\s\S]*?)^```$/m.exec(readme)?.[1];

/** The vite plugin that answers for the paths of `examplePath`. */
export const readmeExamples = () => ({
  name: "readme-examples",
  enforce: "pre",
  resolveId: (id) => (id.endsWith(moduleName) ? id : undefined),
  load: (id) => (id.endsWith(moduleName) ? exampleOf(dirname(id)) : undefined),
});

const exampleOf = (folder) => firstExample(readFileSync(join(folder, "README.md"), "utf8")) ?? "";
