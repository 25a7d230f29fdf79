import type { Handle, Out, Result } from "../driver/driver-functions.ts";
import type { KoffiLibrary } from "../driver/load-library.ts";

/** The functions of NVRTC in use, under their C names. */
export interface NvrtcFunctions {
  readonly nvrtcVersion: (major: Out, minor: Out) => Result;
  readonly nvrtcCreateProgram: (
    program: Out,
    source: string,
    name: string,
    headers: number,
    texts: null,
    names: null,
  ) => Result;
  readonly nvrtcDestroyProgram: (program: Out) => Result;
  readonly nvrtcCompileProgram: (program: Handle, count: number, options: readonly string[]) => Result;
  readonly nvrtcGetProgramLogSize: (program: Handle, sizeBytes: Out) => Result;
  readonly nvrtcGetProgramLog: (program: Handle, log: Out) => Result;
  readonly nvrtcGetCUBINSize: (program: Handle, sizeBytes: Out) => Result;
  readonly nvrtcGetCUBIN: (program: Handle, image: Out) => Result;
  readonly nvrtcGetPTXSize: (program: Handle, sizeBytes: Out) => Result;
  readonly nvrtcGetPTX: (program: Handle, image: Out) => Result;
}

const PROTOTYPES: Readonly<Record<keyof NvrtcFunctions, string>> = {
  nvrtcVersion: "int nvrtcVersion(void *major, void *minor)",
  nvrtcCreateProgram:
    "int nvrtcCreateProgram(void *program, const char *source, const char *name, int headers, void *texts, void *names)",
  nvrtcDestroyProgram: "int nvrtcDestroyProgram(void *program)",
  nvrtcCompileProgram: "int nvrtcCompileProgram(uint64_t program, int count, const char **options)",
  nvrtcGetProgramLogSize: "int nvrtcGetProgramLogSize(uint64_t program, void *size)",
  nvrtcGetProgramLog: "int nvrtcGetProgramLog(uint64_t program, void *log)",
  nvrtcGetCUBINSize: "int nvrtcGetCUBINSize(uint64_t program, void *size)",
  nvrtcGetCUBIN: "int nvrtcGetCUBIN(uint64_t program, void *image)",
  nvrtcGetPTXSize: "int nvrtcGetPTXSize(uint64_t program, void *size)",
  nvrtcGetPTX: "int nvrtcGetPTX(uint64_t program, void *image)",
};

/** Finds the functions in an NVRTC library. Throws koffi's error if one is missing. */
export const nvrtcFunctions = (library: KoffiLibrary): NvrtcFunctions =>
  Object.fromEntries(
    Object.entries(PROTOTYPES).map(([name, prototype]) => [name, library.func(prototype)]),
  ) as unknown as NvrtcFunctions;
