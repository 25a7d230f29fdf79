// Compares the size of each entry point with .size-limit.mjs and with the package's README. --write updates the READMEs.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { installed, root, run, workspaces } from "../workspace.mjs";

/** Largest accepted difference between README and measured size, as a share. */
const TOLERANCE = 0.1;

const STATEMENT = /^Size: ([\d.]+) kB .*$/m;

const statement = (sizeBytes) =>
  `Size: ${Number((sizeBytes / 1000).toPrecision(3))} kB minified and compressed (brotli), all that it exports with its dependencies, but without ONNX Runtime, Vega and data files.`;

/** What is wrong with the size in a README, or undefined. */
export const sizeFault = (readme, sizeBytes) => {
  const stated = STATEMENT.exec(readme);
  if (!stated) return `states no size: expected a line "${statement(sizeBytes)}"`;
  const statedBytes = Number(stated[1]) * 1000;
  if (Math.abs(statedBytes - sizeBytes) > Math.max(TOLERANCE * sizeBytes, 100))
    return `states ${stated[1]} kB, but it is now ${(sizeBytes / 1000).toFixed(1)} kB; run node tools/checks/sizes.mjs --write`;
};

/** A README with the size. */
export const withSize = (readme, sizeBytes) =>
  STATEMENT.test(readme)
    ? readme.replace(STATEMENT, statement(sizeBytes))
    : `${readme.trimEnd()}\n\n${statement(sizeBytes)}\n`;

const measure = async () => {
  const { code, output } = await run(installed("size-limit/bin.js", "--json"), { output: "capture" });
  // esbuild may print warnings before the JSON.
  const sizes = JSON.parse(output.slice(output.indexOf("[\n")));
  for (const { name, size, sizeLimit, passed } of sizes)
    if (!passed) console.error(`${name} weighs ${size} bytes, more than its limit in .size-limit.mjs, ${sizeLimit}`);
  if (code !== 0) process.exitCode = 1;
  return new Map(sizes.map(({ name, size }) => [name, size]));
};

const main = async (isWriting) => {
  const sizes = await measure();
  for (const { folder, manifest } of workspaces().filter(({ manifest: { name } }) => sizes.has(name))) {
    const path = join(root, folder, "README.md");
    const readme = readFileSync(path, "utf8");
    const fault = sizeFault(readme, sizes.get(manifest.name));
    if (fault === undefined) continue;
    if (isWriting) writeFileSync(path, withSize(readme, sizes.get(manifest.name)));
    else {
      console.error(`${folder}/README.md ${fault}`);
      process.exitCode = 1;
    }
  }
};

if (import.meta.url === pathToFileURL(process.argv[1]).href) await main(process.argv.includes("--write"));
