import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { examplePath, firstExample } from "./readme-examples.mjs";
import { root, workspaces } from "./workspace.mjs";

describe("the example in the README of", () => {
  test.for(workspaces().map(({ folder }) => folder))("%s runs", async (folder) => {
    const readme = readFileSync(join(root, folder, "README.md"), "utf8");
    expect(firstExample(readme), `${folder}/README.md must have a \`\`\`ts block`).toBeDefined();
    await import(/* @vite-ignore */ examplePath(join(root, folder)));
  });
});
