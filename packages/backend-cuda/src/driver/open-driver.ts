import { CudaError } from "../cuda-error.ts";
import { type DriverFunctions, driverFunctions } from "./driver-functions.ts";
import { assertStarted } from "./driver-result.ts";
import { loadLibrary } from "./load-library.ts";

/** CUDA 12.0 introduced the newest function in use. */
const OLDEST_VERSION = 12_000;

/** The driver and its CUDA version. */
export interface OpenedDriver {
  readonly driver: DriverFunctions;
  /** Such as 12 for all 12.x. The driver loads binaries of this version or earlier. */
  readonly cudaMajor: number;
}

/** Names of the driver library. */
export const driverLibraryNames = (): readonly string[] =>
  process.platform === "win32" ? ["nvcuda.dll"] : ["libcuda.so.1", "libcuda.so"];

/**
 * Loads and initializes the driver.
 *
 * @param path of the driver library; found by the system by default
 * @throws CudaError `CUDA_DRIVER_MISSING`, `CUDA_DRIVER_TOO_OLD`, `CUDA_DRIVER_STUB`, `CUDA_DRIVER_FAILED` or
 *   `CUDA_NO_DEVICE`
 */
export const openDriver = async (path?: string): Promise<OpenedDriver> => {
  const names = path === undefined ? driverLibraryNames() : [path];
  const library = await loadLibrary(names);
  if ("length" in library) throw missing(names, library[0]);
  const driver = functionsOf(library);
  assertStarted("cuInit", driver.cuInit(0));
  return { driver, cudaMajor: Math.floor(versionOf(driver) / 1000) };
};

const functionsOf = (library: Parameters<typeof driverFunctions>[0]): DriverFunctions => {
  try {
    return driverFunctions(library);
  } catch (cause) {
    throw tooOld("one that lacks functions", cause);
  }
};

/** Such as 12040 for CUDA 12.4. */
const versionOf = (driver: DriverFunctions): number => {
  const version = new Int32Array(1);
  assertStarted("cuDriverGetVersion", driver.cuDriverGetVersion(version));
  if (version[0]! < OLDEST_VERSION) throw tooOld(`one for CUDA ${versionText(version[0]!)}`);
  return version[0]!;
};

const versionText = (version: number): string => `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;

const missing = (names: readonly string[], cause: unknown): CudaError =>
  new CudaError(
    "CUDA_DRIVER_MISSING",
    `cannot load the NVIDIA driver (${names.join(" or ")}); install driver 580 or later, make it visible in the container, or choose another backend`,
    { cause },
  );

const tooOld = (got: string, cause?: unknown): CudaError =>
  new CudaError(
    "CUDA_DRIVER_TOO_OLD",
    `expected an NVIDIA driver for CUDA ${versionText(OLDEST_VERSION)} or later, got ${got}; install driver 580 or later`,
    { cause },
  );
