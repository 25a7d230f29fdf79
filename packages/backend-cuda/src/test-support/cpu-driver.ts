import koffi from "koffi";
import { compileDriver } from "./compile-driver.ts";

/** A driver library on the CPU, and what tests may ask of it and do to it. */
export interface CpuDriver {
  readonly path: string;
  /** Calls of a function of the driver since the last time that was asked. */
  readonly takeCalls: (call: string) => number;
  /** Launches of a kernel since the last time that was asked. */
  readonly takeLaunches: (kernel: string) => number;
  /** The next call of a function of the driver gives this result. */
  readonly failNext: (call: string, result: number) => void;
  readonly setDriverVersion: (version: number) => void;
  readonly setDevices: (count: number) => void;
  readonly setCapability: (major: number, minor: number) => void;
  readonly setCapacity: (sizeBytes: number) => void;
  readonly allocatedBytes: () => number;
  readonly countLoads: (isCounting: boolean) => void;
  /** Bytes of the 32-byte sectors that each block of a kernel read, all blocks together, since loads are counted. */
  readonly loadedBytes: (kernel: string) => number;
  /** Warps of a block run from the last to the first. */
  readonly reverseWarps: (isReversed: boolean) => void;
  /** Threads run through a `__syncthreads()` as if it were not there; line 0 for none. */
  readonly skipBarrier: (file: string, line: number) => void;
  readonly lastFault: () => string;
  /** As if the process had started anew. */
  readonly recover: () => void;
}

/** Compiles the driver where that has not been done. */
export const openCpuDriver = (kernelFolder?: string): CpuDriver => {
  const path = compileDriver(kernelFolder);
  const library = koffi.load(path);
  const countLoads = library.func("void cpu_count_loads(int)") as (isCounting: number) => void;
  const reverseWarps = library.func("void cpu_reverse_warps(int)") as (isReversed: number) => void;
  return {
    path,
    takeCalls: library.func("int cpu_take_calls(const char *)"),
    takeLaunches: library.func("int cpu_take_launches(const char *)"),
    failNext: library.func("void cpu_fail_next(const char *, int)"),
    setDriverVersion: library.func("void cpu_set_driver_version(int)"),
    setDevices: library.func("void cpu_set_devices(int)"),
    setCapability: library.func("void cpu_set_capability(int, int)"),
    setCapacity: library.func("void cpu_set_capacity(double)"),
    allocatedBytes: library.func("double cpu_allocated_bytes()"),
    countLoads: (isCounting) => countLoads(Number(isCounting)),
    loadedBytes: library.func("double cpu_loaded_bytes(const char *)"),
    reverseWarps: (isReversed) => reverseWarps(Number(isReversed)),
    skipBarrier: library.func("void cpu_skip_barrier(const char *, int)"),
    lastFault: library.func("const char *cpu_last_fault()"),
    recover: library.func("void cpu_recover()"),
  };
};
