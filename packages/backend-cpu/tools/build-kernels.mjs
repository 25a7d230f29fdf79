// Writes the panel kernels into kernels/generated/, compiles kernels/ with the AssemblyScript compiler, and embeds the result in
// generated/kernels.js, beside the text of the worker that runs it on a thread of its own.
// Cheap when nothing changed. Runs before a build, and before tests as vitest's global setup.
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { panelKernels } from "./panel-kernels.mjs";

const folder = fileURLToPath(new URL("../", import.meta.url));
const kernels = join(folder, "kernels");
const generatedKernels = join(kernels, "generated");
const worker = join(folder, "src/wasm/threads/kernel-worker.js");
const target = join(folder, "generated/kernels.js");

const FLAGS = [
  "-O3",
  "--noAssert",
  "--runtime=stub",
  "--importMemory",
  "--initialMemory=1",
  "--maximumMemory=65535",
  "--memoryBase=1024",
  "--enable=simd",
  "--enable=bulk-memory",
];

/** Modules by name, with flags of their own. */
const variants = {
  baselineKernels: ["--use", "DOT_PRODUCTS=0"],
  relaxedKernels: ["--enable=relaxed-simd", "--use", "DOT_PRODUCTS=0"],
  dotProductKernels: ["--enable=relaxed-simd", "--use", "DOT_PRODUCTS=1"],
};

const compilerVersion = () => createRequire(import.meta.url)("assemblyscript/package.json").version;

/** Changes with everything that the output depends on. */
const fingerprint = () => {
  const hash = createHash("sha256");
  const files = readdirSync(kernels).filter((file) => file.endsWith(".ts"));
  for (const [file, text] of Object.entries(panelKernels())) hash.update(file).update(text);
  for (const file of files.sort()) hash.update(file).update(readFileSync(join(kernels, file)));
  hash.update(readFileSync(worker)).update(readFileSync(fileURLToPath(import.meta.url)));
  return hash.update(compilerVersion()).digest("hex");
};

const isFresh = (mark) => {
  try {
    return readFileSync(target, "utf8").startsWith(mark);
  } catch {
    return false;
  }
};

const writePanelKernels = () => {
  mkdirSync(generatedKernels, { recursive: true });
  for (const [file, text] of Object.entries(panelKernels())) replaceFile(join(generatedKernels, file), text);
};

/** Other processes may be compiling: they see a whole file. */
const replaceFile = (file, text) => {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, text);
  renameSync(draft, file);
};

const compile = async (flags) => {
  const { main } = await import("assemblyscript/asc");
  const output = mkdtempSync(join(folder, "generated/compile-"));
  try {
    const file = join(output, "kernels.wasm");
    const argv = [join(kernels, "index.ts"), "--outFile", file, ...FLAGS, ...flags];
    const report = [];
    const { error } = await main(argv, { stderr: { write: (text) => void report.push(text) } });
    if (error) throw new Error(`The kernels do not compile: ${error.message}\n${report.join("")}`);
    // Compressed, the modules take less than half of what they do in base64, where repeated code rarely repeats its letters.
    return readFileSync(file).toString("hex");
  } finally {
    rmSync(output, { recursive: true });
  }
};

/** Makes generated/kernels.js what the sources say. */
export const buildKernels = async () => {
  const mark = `// ${fingerprint()}`;
  if (isFresh(mark)) return;
  mkdirSync(join(folder, "generated"), { recursive: true });
  writePanelKernels();
  const lines = [mark];
  for (const [name, flags] of Object.entries(variants))
    lines.push(`export const ${name} =`, `  "${await compile(flags)}";`);
  lines.push(`export const kernelWorker =`, `  ${JSON.stringify(readFileSync(worker, "utf8"))};`);
  replaceFile(target, `${lines.join("\n")}\n`);
};

/** Vitest's global setup. */
export const setup = buildKernels;

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) await buildKernels();
