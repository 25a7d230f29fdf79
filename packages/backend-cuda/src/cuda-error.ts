import { KvtunerError } from "@kvtuner/plan";

/**
 * An error of CUDA. The message says what to do; `code` is one of:
 *
 * - `CUDA_DRIVER_MISSING`: no driver library can be loaded
 * - `CUDA_DRIVER_TOO_OLD`: the driver lacks functions of the API, or instructions of the kernels
 * - `CUDA_DRIVER_STUB`: the loaded library is the toolkit's stub, not the driver
 * - `CUDA_DRIVER_FAILED`: the driver does not start
 * - `CUDA_DEVICE_BUSY`: another program has the GPU to itself, or no program may use it
 * - `CUDA_NO_DEVICE`: there is no GPU of that index
 * - `CUDA_ARCHITECTURE`: the GPU is older than sm_80, the compiler does not know it, or the driver rejects its kernels
 * - `CUDA_KERNELS_UNKNOWN`: the option `kernels` is not "auto", "nvrtc" or "ptx"
 * - `CUDA_COMPILER_MISSING`: NVRTC was requested, or named in `KVTUNER_NVRTC`, but cannot be loaded or is of a later CUDA
 *   than the driver
 * - `CUDA_COMPILE_FAILED`: NVRTC rejected the kernels; the message has its log
 * - `CUDA_TENSOR_CORES_WRONG`: attention on tensor cores gives wrong results on this GPU
 * - `CUDA_LAUNCH_FAILED`: the driver rejected a call
 * - `CUDA_DEVICE_LOST`: a kernel failed on the GPU, or the GPU is gone; caches on it are lost
 */
export class CudaError extends KvtunerError {
  override readonly name = "CudaError";
}
