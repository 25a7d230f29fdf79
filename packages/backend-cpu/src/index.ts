export { createReferenceBackend } from "./reference/reference-backend.ts";
export { createCpuBackend } from "./wasm/cpu-backend.ts";
export type { Simd } from "./wasm/kernel-module.ts";
