export type { ReferenceOptions } from "./reference/reference-backend.ts";
export { createReferenceBackend } from "./reference/reference-backend.ts";
export type { CpuBackend, CpuOptions } from "./wasm/cpu-backend.ts";
export { createCpuBackend } from "./wasm/cpu-backend.ts";
export { RelaxedSimdError, UnknownSimdError } from "./wasm/kernel-choice.ts";
export type { Simd } from "./wasm/kernel-module.ts";
