// Embeds the text of kernels/*.wgsl in generated/kernels.js, without comments and indentation, for Node, browsers and
// bundles alike. Adds an edition, which tells remembered choices from those of other kernels. Runs before a build, and
// before tests as vitest's global setup.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../", import.meta.url));
const kernels = join(folder, "kernels");
const target = join(folder, "generated/kernels.js");

const textOf = (file) =>
  readFileSync(join(kernels, file), "utf8")
    .split("\n")
    .map((line) => line.replace(/\/\/.*$/, "").trim())
    .filter((line) => line !== "")
    .join("\n");

const read = (path) => {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
};

const editionOf = (texts) => {
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return `${version} ${createHash("sha256").update(JSON.stringify(texts)).digest("hex").slice(0, 16)}`;
};

/** Writes generated/kernels.js from the sources. */
export const buildKernels = async () => {
  const files = readdirSync(kernels).sort();
  const texts = Object.fromEntries(files.map((file) => [file.replace(/\.wgsl$/, ""), textOf(file)]));
  const module = `export const kernelTexts = ${JSON.stringify(texts, undefined, 2)};
export const kernelEdition = ${JSON.stringify(editionOf(texts))};\n`;
  if (read(target) === module) return;
  const draft = `${target}.${process.pid}`;
  writeFileSync(draft, module);
  renameSync(draft, target);
};

/** Vitest's global setup. */
export const setup = buildKernels;

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) await buildKernels();
