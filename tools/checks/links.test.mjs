import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { brokenLinks } from "./links.mjs";

const folder = mkdtempSync(join(tmpdir(), "kvtuner-links-"));
const write = (name, text) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
mkdirSync(join(folder, "sub"));
write("sub/target.md", "# The plan's `bits`\n\n## Words\n\n## Words\n");
afterAll(() => rmSync(folder, { recursive: true }));

describe("brokenLinks", () => {
  test("accepts files, places in them, and the network", () => {
    const text = `[a](sub/target.md) ![b](sub/target.md#the-plans-bits "title") [c](#top) [d](https://example.org/x)
[e](sub/target.md#words-1) \`[code](nowhere.md)\`

# Top
\`\`\`md
[f](nowhere.md)
\`\`\`
`;
    expect(brokenLinks([write("fine.md", text)], folder)).toEqual([]);
    const html = '<a href="sub/target.md">a</a><a href="#x">b</a><p id="x"><a href="page.html#x">c</a>';
    expect(brokenLinks([write("page.html", html)], folder)).toEqual([]);
  });

  test("names each broken link", () => {
    const text = "[a](gone.md) [b](sub) [c](sub/target.md#verbs) [d](#nowhere)";
    expect(brokenLinks([write("bad.md", text)], folder)).toEqual([
      "bad.md: gone.md is not there",
      "bad.md: sub is a folder: name a file in it",
      "bad.md: sub/target.md#verbs is no place in that file",
      "bad.md: #nowhere is no place in that file",
    ]);
    expect(brokenLinks([write("bad.html", '<img src="gone.png">')], folder)).toEqual([
      "bad.html: gone.png is not there",
    ]);
  });
});
