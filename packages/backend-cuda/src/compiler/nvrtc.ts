import { dirname, isAbsolute, join } from "node:path";
import { CudaError } from "../cuda-error.ts";
import type { Handle, Out } from "../driver/driver-functions.ts";
import { loadKoffi, loadLibrary } from "../driver/load-library.ts";
import { type NvrtcFunctions, nvrtcFunctions } from "./nvrtc-functions.ts";

/** A compiler of CUDA C++. */
export interface Compiler {
  /** Such as "13.0". */
  readonly version: string;
  /**
   * Compiles to a binary for one architecture ("sm_90"), or to PTX for one and all later ones ("compute_80").
   *
   * @throws CudaError `CUDA_ARCHITECTURE` for an architecture that the compiler does not know, `CUDA_COMPILE_FAILED` with
   *   the log
   */
  compile(source: string, architecture: string): Uint8Array;
  /** Keeps the library loaded: koffi unloads libraries without references. */
  readonly builtins?: unknown;
}

/** NVRTC's result for an unknown option, and so for an unknown architecture. Source: nvrtc.h, enum nvrtcResult. */
const INVALID_OPTION = 5;

/**
 * The same for every compiler and architecture. Without --fmad=false the compiler would fuse products and sums, and
 * encoding would not round as the quantizers do.
 */
export const COMPILE_OPTIONS: readonly string[] = ["--std=c++17", "--fmad=false"];

/** True when `KVTUNER_NVRTC` names a library. Failing to load that one is an error, never silently replaced. */
export const compilerIsNamed = (): boolean => Boolean(process.env["KVTUNER_NVRTC"]);

/** Which NVRTC libraries are acceptable. */
export interface CompilerChoice {
  /** Newest CUDA major version whose binaries the driver loads, such as 12. Unlimited by default, for compiling only. */
  readonly newestMajor?: number;
  /** Library names or paths to try. Defaults to `KVTUNER_NVRTC`, or the names that toolkits use. */
  readonly compilers?: readonly string[];
}

const libraryNames = (): readonly string[] => {
  if (compilerIsNamed()) return [process.env["KVTUNER_NVRTC"]!];
  return process.platform === "win32"
    ? ["nvrtc64_130_0.dll", "nvrtc64_120_0.dll"]
    : ["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"];
};

/**
 * Loads the first NVRTC that is not of a later CUDA than the driver, which could not load its binaries.
 *
 * @throws CudaError `CUDA_COMPILER_MISSING`
 */
export const openCompiler = async ({
  newestMajor = Infinity,
  compilers = libraryNames(),
}: CompilerChoice = {}): Promise<Compiler> => {
  const failures: unknown[] = [];
  for (const name of compilers)
    try {
      return await compilerOf(name, newestMajor);
    } catch (error) {
      failures.push(error);
    }
  throw failures.find((error) => error instanceof CudaError) ?? missing(compilers, failures[0]);
};

const compilerOf = async (name: string, newestMajor: number): Promise<Compiler> => {
  const nvrtc = nvrtcFunctions((await loadKoffi()).load(name));
  const version = versionOf(nvrtc);
  if (Number.parseInt(version, 10) > newestMajor) throw tooNew(name, version, newestMajor);
  const builtins = await loadBuiltins(name, version);
  return { version, compile: (source, architecture) => compile(nvrtc, source, architecture), builtins };
};

/** NVRTC loads its builtins library by name only, which fails when NVRTC itself was loaded by path. */
const loadBuiltins = async (path: string, version: string): Promise<unknown> =>
  isAbsolute(path) ? loadLibrary([join(dirname(path), `libnvrtc-builtins.so.${version}`)]) : undefined;

const versionOf = (nvrtc: NvrtcFunctions): string => {
  const [major, minor] = [new Int32Array(1), new Int32Array(1)];
  nvrtc.nvrtcVersion(major, minor);
  return `${major[0]}.${minor[0]}`;
};

const compile = (nvrtc: NvrtcFunctions, source: string, architecture: string): Uint8Array => {
  const program = new BigUint64Array(1);
  nvrtc.nvrtcCreateProgram(program, source, "kvtuner.cu", 0, null, null);
  try {
    const options = [`--gpu-architecture=${architecture}`, ...COMPILE_OPTIONS];
    const result = nvrtc.nvrtcCompileProgram(program[0]!, options.length, options);
    if (result === INVALID_OPTION) throw unknownArchitecture(nvrtc, architecture);
    if (result !== 0) throw refused(logOf(nvrtc, program[0]!), architecture);
    return imageOf(nvrtc, program[0]!, architecture.startsWith("sm_") ? "CUBIN" : "PTX");
  } finally {
    nvrtc.nvrtcDestroyProgram(program);
  }
};

const imageOf = (nvrtc: NvrtcFunctions, program: Handle, kind: "CUBIN" | "PTX"): Uint8Array =>
  answer(
    (size) => nvrtc[`nvrtcGet${kind}Size`](program, size),
    (image) => nvrtc[`nvrtcGet${kind}`](program, image),
  );

const logOf = (nvrtc: NvrtcFunctions, program: Handle): string =>
  new TextDecoder().decode(
    answer(
      (size) => nvrtc.nvrtcGetProgramLogSize(program, size),
      (log) => nvrtc.nvrtcGetProgramLog(program, log),
    ),
  );

const answer = (askSize: (size: Out) => number, ask: (bytes: Out) => number): Uint8Array => {
  const size = new BigUint64Array(1);
  askSize(size);
  const bytes = new Uint8Array(Number(size[0]));
  ask(bytes);
  return bytes;
};

const missing = (names: readonly string[], cause: unknown): CudaError =>
  new CudaError(
    "CUDA_COMPILER_MISSING",
    compilerIsNamed()
      ? `cannot load NVRTC from KVTUNER_NVRTC=${names[0]!}; set it to NVRTC of CUDA 12 or later, or unset it`
      : `cannot load NVRTC (${names.join(" or ")}); install the CUDA toolkit or the PyPI wheel nvidia-cuda-nvrtc, or set KVTUNER_NVRTC to the library`,
    { cause },
  );

const tooNew = (name: string, version: string, newestMajor: number): CudaError =>
  new CudaError(
    "CUDA_COMPILER_MISSING",
    `expected NVRTC of CUDA ${newestMajor} or earlier, which the driver can load, ${
      compilerIsNamed() ? "KVTUNER_NVRTC names" : "found"
    } ${name} of ${version}; install the PyPI wheel ${wheelOf(newestMajor)}, or a newer driver`,
  );

/** From CUDA 13, the wheel's name has no version. */
const wheelOf = (major: number): string =>
  major < 13 ? `nvidia-cuda-nvrtc-cu${major}` : `nvidia-cuda-nvrtc of version ${major}`;

const unknownArchitecture = (nvrtc: NvrtcFunctions, architecture: string): CudaError =>
  new CudaError(
    "CUDA_ARCHITECTURE",
    `expected an architecture that NVRTC ${versionOf(nvrtc)} compiles for, got ${architecture}; use a CUDA toolkit that knows the GPU`,
  );

const refused = (log: string, architecture: string): CudaError =>
  new CudaError("CUDA_COMPILE_FAILED", `NVRTC cannot compile the kernels for ${architecture}; report this: ${log}`);
