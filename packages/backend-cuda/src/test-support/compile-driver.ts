import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const kernels = fileURLToPath(new URL("../../kernels/", import.meta.url));
const support = fileURLToPath(new URL("../../test-support/", import.meta.url));

/**
 * Optimized without contracting or reordering operations. Hidden symbols keep two libraries in one process apart. Fibers
 * jump between stacks, which _FORTIFY_SOURCE would report as an attack.
 */
const FLAGS = ["-std=c++17", "-O2", "-shared", "-fPIC", "-ffp-contract=off", "-fvisibility=hidden", "-fno-gnu-unique"];
const QUIET = ["-U_FORTIFY_SOURCE", "-Wno-unknown-pragmas", "-DKVTUNER_ON_CPU"];

/** Why kernels cannot run on this machine's CPU, or undefined. */
export const noCompiler = (): string | undefined => {
  if (process.platform !== "linux") return "needs Linux: the fibers are ucontext's";
  try {
    execFileSync(compiler(), ["--version"], { stdio: "ignore" });
    return undefined;
  } catch {
    return "needs g++, or another compiler named in CXX";
  }
};

const compiler = (): string => process.env["CXX"] ?? "g++";

/**
 * Compiles a driver library with the kernels built for the CPU. Cached until a source changes.
 *
 * @param folder of the kernels; another one for kernels with a deliberate mistake
 * @param definitions of macros, such as `NAME=1`
 * @returns path of the library
 */
export const compileDriver = (folder: string = kernels, definitions: readonly string[] = []): string =>
  compileLibrary("driver-on-cpu.cpp", folder, definitions);

/** Path of a fake NVRTC library of a CUDA version. */
export const compileNvrtc = (major: number): string =>
  compileLibrary("nvrtc-on-cpu.cpp", kernels, [`NVRTC_MAJOR=${major}`]);

const compileLibrary = (source: string, folder: string, definitions: readonly string[]): string => {
  const defined = [source, ...definitions.map((definition) => `-D${definition}`)];
  const target = join(root, ".cache/cuda-on-cpu", `${fingerprintOf(defined, folder, support)}.so`);
  if (existsSync(target)) return target;
  mkdirSync(join(root, ".cache/cuda-on-cpu"), { recursive: true });
  const draft = `${target}.${process.pid}`;
  execFileSync(compiler(), [
    ...FLAGS,
    ...QUIET,
    ...NATIVE,
    ...defined.slice(1),
    "-I",
    folder,
    "-I",
    support,
    join(support, source),
    "-o",
    draft,
    "-ldl",
  ]);
  renameSync(draft, target);
  return target;
};

/** A folder with that library under the name of NVIDIA's driver, for `LD_LIBRARY_PATH`. */
export const driverFolder = (): string => {
  const library = compileDriver();
  const folder = library.replace(/\.so$/, "");
  const link = join(folder, "libcuda.so.1");
  mkdirSync(folder, { recursive: true });
  if (!existsSync(link)) linkOnce(library, link);
  return folder;
};

/** Another process may create it first. */
const linkOnce = (library: string, link: string): void => {
  try {
    symlinkSync(library, link);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
};

/** Converts float16 in one instruction if the processor can; the results are the same. */
const NATIVE = process.arch === "x64" ? ["-march=native"] : [];

const fingerprintOf = (definitions: readonly string[], ...folders: readonly string[]): string => {
  const hash = createHash("sha256").update([...FLAGS, ...definitions].join(" "));
  for (const folder of folders)
    for (const file of readdirSync(folder).sort()) hash.update(file).update(readFileSync(join(folder, file)));
  return hash.digest("hex").slice(0, 32);
};
