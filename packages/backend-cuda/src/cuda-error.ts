import { KvtunerError } from "@kvtuner/plan";

/**
 * What stands between this package and a GPU; `code` says what, the message what to do:
 *
 * - `CUDA_DRIVER_MISSING`: no driver library can be loaded
 * - `CUDA_DRIVER_TOO_OLD`: the driver knows neither the API nor the kernels' instructions
 * - `CUDA_DRIVER_STUB`: what was loaded is the toolkit's stub of the driver
 * - `CUDA_DRIVER_FAILED`: the driver does not start
 * - `CUDA_DEVICE_BUSY`: another program has the GPU to itself, or no program may use it
 * - `CUDA_NO_DEVICE`: there is no GPU of that index
 * - `CUDA_ARCHITECTURE`: the GPU is older than sm_80, the compiler does not know it, or the driver refuses its kernels
 * - `CUDA_KERNELS_UNKNOWN`: kernels were asked for that are not "auto", "nvrtc" or "ptx"
 * - `CUDA_COMPILER_MISSING`: NVRTC was asked for, or named in `KVTUNER_NVRTC`, and cannot be loaded, or is of a later
 *   CUDA than the driver
 * - `CUDA_COMPILE_FAILED`: NVRTC refused the kernels; the message has its log
 * - `CUDA_TENSOR_CORES_WRONG`: attention on tensor cores was asked for, and is wrong on this GPU
 * - `CUDA_LAUNCH_FAILED`: the driver refused a call
 * - `CUDA_DEVICE_LOST`: a kernel failed on the GPU, or the GPU is gone; caches on it are lost
 */
export class CudaError extends KvtunerError {
  override readonly name = "CudaError";
}
