// Writes the documentation site (guides and reference) into .cache/site, and checks its links:  npm run docs
import { readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { bootstrap } from "./bootstrap.mjs";
import { brokenLinks } from "./checks/links.mjs";
import { cacheFolder, installed, root, run } from "./workspace.mjs";

const site = join(cacheFolder, "site");

const markdownOfCheckout = async () => {
  const { output } = await run(["git", "ls-files", "*.md", ":!.changeset", ":!tools"], { output: "capture" });
  return output
    .split("\n")
    .filter(Boolean)
    .map((path) => join(root, path));
};

const pagesOfSite = () =>
  readdirSync(site, { recursive: true })
    .filter((name) => name.endsWith(".html"))
    .map((name) => join(site, name));

await bootstrap();
const { code } = await run(installed("typedoc/bin/typedoc", "--out", site));
if (code !== 0) process.exit(code);
const files = [...(await markdownOfCheckout()), ...pagesOfSite()];
const broken = brokenLinks(files, root);
for (const line of broken) console.error(line);
console.log(`${relative(root, site)}/index.html; ${broken.length} broken links in ${files.length} files`);
process.exitCode = broken.length > 0 ? 1 : 0;
