import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const kernels = fileURLToPath(new URL("../../kernels/", import.meta.url));
const support = fileURLToPath(new URL("../../test-support/", import.meta.url));

/**
 * Optimized, but no operation contracted or reordered. Hidden symbols keep two libraries in one process apart; jumps between
 * stacks are what fibers are, and no attack.
 */
const FLAGS = ["-std=c++17", "-O2", "-shared", "-fPIC", "-ffp-contract=off", "-fvisibility=hidden", "-fno-gnu-unique"];
const QUIET = ["-U_FORTIFY_SOURCE", "-Wno-unknown-pragmas", "-DKVTUNER_ON_CPU"];

/** Why kernels cannot be run on this machine's CPU, or undefined. */
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
 * A driver library over kernels compiled for the CPU; kept in the cache folder for as long as nothing changes.
 *
 * @param folder of the kernels; another than the package's own for kernels with a mistake
 * @param definitions of macros, such as `NAME=1`
 * @returns path of the library
 */
export const compileDriver = (folder: string = kernels, definitions: readonly string[] = []): string =>
  compileLibrary("driver-on-cpu.cpp", folder, definitions);

/** Path of a library that looks like NVRTC of a version of CUDA. */
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

/** A folder in which that library has the name by which programs look for NVIDIA's; for `LD_LIBRARY_PATH`. */
export const driverFolder = (): string => {
  const library = compileDriver();
  const folder = library.replace(/\.so$/, "");
  const link = join(folder, "libcuda.so.1");
  mkdirSync(folder, { recursive: true });
  if (!existsSync(link)) linkOnce(library, link);
  return folder;
};

/** Another process may be first. */
const linkOnce = (library: string, link: string): void => {
  try {
    symlinkSync(library, link);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
};

/** Conversions of float16 in one instruction, where the processor has it; the result is the same without. */
const NATIVE = process.arch === "x64" ? ["-march=native"] : [];

const fingerprintOf = (definitions: readonly string[], ...folders: readonly string[]): string => {
  const hash = createHash("sha256").update([...FLAGS, ...definitions].join(" "));
  for (const folder of folders)
    for (const file of readdirSync(folder).sort()) hash.update(file).update(readFileSync(join(folder, file)));
  return hash.digest("hex").slice(0, 32);
};
