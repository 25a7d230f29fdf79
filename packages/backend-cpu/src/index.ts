export type { ReferenceOptions } from "./reference/reference-backend.ts";
export { createReferenceBackend } from "./reference/reference-backend.ts";
