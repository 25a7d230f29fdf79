export type { Attention } from "./attention.ts";
export type { Backend, CacheBytes, KvCache } from "./backend.ts";
export type { Capabilities } from "./capabilities.ts";
export { UnsupportedSchemeError } from "./unsupported-scheme.ts";
