export type { Attention } from "./attention.ts";
export type { Backend, CachePlan, KvCache } from "./backend.ts";
export type { Capabilities, SchemeFamily } from "./capabilities.ts";
export { UnsupportedSchemeError } from "./unsupported-scheme.ts";
