import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

const textOf = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");

it("the guide for authors shows the example's current code", () => {
  const example = ["./cells.ts", "./example-backend.ts", "./example-backend.test.ts"].map(textOf).join("\n");
  const shown = [...textOf("../../../docs/backend-guide.md").matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) =>
    withoutIndent(code!),
  );
  expect(shown.length).toBeGreaterThan(3);
  for (const code of shown) expect(withoutIndent(example)).toContain(code);
});

/** The guide indents code differently. */
const withoutIndent = (code: string): string => code.replaceAll(/^ +/gm, "");
