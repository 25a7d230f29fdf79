export type { ReferenceOptions } from "./reference/reference-backend.ts";
export { createReferenceBackend } from "./reference/reference-backend.ts";
export type { CpuOptions } from "./wasm/cpu-backend.ts";
export { createCpuBackend } from "./wasm/cpu-backend.ts";
