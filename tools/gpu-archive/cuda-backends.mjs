// CUDA backends of this machine, for laws here and in another process.
export {
  createGpuBackend,
  createTensorCoreGpuBackend,
} from "../../packages/backend-cuda/src/test-support/gpu-backend.ts";
