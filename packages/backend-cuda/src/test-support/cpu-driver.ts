import koffi from "koffi";
import { compileDriver } from "./compile-driver.ts";

/** A driver library on the CPU, with controls for tests. */
export interface CpuDriver {
  readonly path: string;
  /** Calls of a driver function since the last query. */
  readonly takeCalls: (call: string) => number;
  /** Launches of a kernel since the last query. */
  readonly takeLaunches: (kernel: string) => number;
  /** Makes the next call of a driver function return this result. */
  readonly failNext: (call: string, result: number) => void;
  readonly setDriverVersion: (version: number) => void;
  readonly setDevices: (count: number) => void;
  readonly setCapability: (major: number, minor: number) => void;
  readonly setCapacity: (sizeBytes: number) => void;
  readonly allocatedBytes: () => number;
  readonly countLoads: (isCounting: boolean) => void;
  /** Bytes of the 32-byte sectors that the blocks of a kernel read while counting, each sector once per block. */
  readonly loadedBytes: (kernel: string) => number;
  /** Runs the warps of a block from last to first. */
  readonly reverseWarps: (isReversed: boolean) => void;
  /** Makes threads ignore one `__syncthreads()`; line 0 for none. */
  readonly skipBarrier: (file: string, line: number) => void;
  readonly lastFault: () => string;
  /** Resets the driver, like a new process. */
  readonly recover: () => void;
}

/** Opens the driver; compiles it first if needed. */
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
