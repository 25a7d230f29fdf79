export { cudaCapabilities } from "./capabilities.ts";
export type { CudaBackend } from "./cuda-backend.ts";
export { createCudaBackend } from "./cuda-backend.ts";
export { CudaError } from "./cuda-error.ts";
