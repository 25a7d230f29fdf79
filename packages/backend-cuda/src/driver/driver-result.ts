import { CudaError } from "../cuda-error.ts";

/** Result codes with handling of their own. Source: cuda.h, enum CUresult. */
const OUT_OF_MEMORY = 2;
const STUB_LIBRARY = 34;
const UNAVAILABLE = 46;
const NO_DEVICE: readonly number[] = [100, 101];
const TOO_OLD: readonly number[] = [36, 221, 222, 803, 804];
const WRONG_ARCHITECTURE: readonly number[] = [200, 209, 218, 300, 301];
/** Rejected before anything ran. */
const REFUSED: readonly number[] = [1, 3, 4, 201, 400, 500, 701, 720, 801, 802];

export const isOutOfMemory = (result: number): boolean => result === OUT_OF_MEMORY;

/**
 * Checks a result from before the context exists, when no cache can be lost.
 *
 * @param call name of the function, for the message
 * @throws CudaError
 */
export const assertStarted = (call: string, result: number): void => {
  if (result !== 0) throw failure(startCodeOf(result), call, result);
};

/**
 * Checks a result after that.
 *
 * @param call name of the function, for the message
 * @throws CudaError
 */
export const assertSuccess = (call: string, result: number): void => {
  if (result !== 0) throw failure(codeOf(result), call, result);
};

/**
 * Checks the result of loading a module.
 *
 * @param image name of the module's image, for the message
 * @throws CudaError
 */
export const assertLoaded = (image: string, result: number): void => {
  if (WRONG_ARCHITECTURE.includes(result))
    throw new CudaError(
      "CUDA_ARCHITECTURE",
      `the driver cannot run ${image} on this GPU; update the driver, or set the option kernels (cuModuleLoadData gave ${result})`,
    );
  if (TOO_OLD.includes(result))
    throw new CudaError(
      "CUDA_DRIVER_TOO_OLD",
      `the driver is too old for ${image}; install driver 580 or later (cuModuleLoadData gave ${result})`,
    );
  assertSuccess("cuModuleLoadData", result);
};

const failure = (code: string, call: string, result: number): CudaError =>
  new CudaError(code, `${MESSAGES[code]!} (${call} gave ${result})`);

const startCodeOf = (result: number): string => {
  if (result === STUB_LIBRARY) return "CUDA_DRIVER_STUB";
  if (result === UNAVAILABLE) return "CUDA_DEVICE_BUSY";
  return commonCodeOf(result) ?? "CUDA_DRIVER_FAILED";
};

const codeOf = (result: number): string => {
  if (WRONG_ARCHITECTURE.includes(result)) return "CUDA_ARCHITECTURE";
  return commonCodeOf(result) ?? (REFUSED.includes(result) ? "CUDA_LAUNCH_FAILED" : "CUDA_DEVICE_LOST");
};

/** Codes with the same meaning before and after the context exists. */
const commonCodeOf = (result: number): string | undefined => {
  if (isOutOfMemory(result)) return "BACKEND_OUT_OF_MEMORY";
  if (NO_DEVICE.includes(result)) return "CUDA_NO_DEVICE";
  return TOO_OLD.includes(result) ? "CUDA_DRIVER_TOO_OLD" : undefined;
};

const MESSAGES: Readonly<Record<string, string>> = {
  BACKEND_OUT_OF_MEMORY:
    "the GPU has no memory left for the kernels; end other programs that use it, or choose a coarser plan",
  CUDA_NO_DEVICE: "the driver found no NVIDIA GPU with that index; run nvidia-smi and check CUDA_VISIBLE_DEVICES",
  CUDA_DRIVER_STUB:
    "loaded the CUDA toolkit's stub instead of the driver; remove its folder (stubs) from LD_LIBRARY_PATH, or set the option driver to the driver's libcuda.so.1",
  CUDA_DEVICE_BUSY:
    "the GPU is in exclusive use; end the program that uses it, check its compute mode with nvidia-smi -q -d COMPUTE, or choose another device",
  CUDA_DRIVER_FAILED:
    "the driver did not start; run nvidia-smi for details, then restart the driver's services (nvidia-fabricmanager for linked GPUs) or the machine",
  CUDA_DRIVER_TOO_OLD: "the driver is too old for the kernels; install driver 580 or later",
  CUDA_ARCHITECTURE: "the kernels do not fit this GPU's architecture; update the driver, or set the option kernels",
  CUDA_LAUNCH_FAILED: "the driver rejected a call; another program may have changed the device; if not, report this",
  CUDA_DEVICE_LOST:
    "the CUDA device failed; its caches are lost. Create a new backend (in a new process if it keeps failing) and restore from a snapshot",
};
