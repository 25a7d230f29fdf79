export type { BackendModule, BackendUnderTest, Limits } from "./backend-under-test.ts";
export type { Law } from "./law.ts";
export { LawError } from "./law.ts";
export type { LawName } from "./laws.ts";
export { LAWS } from "./laws.ts";
export { ProcessError } from "./rig/other-process.ts";
export { testBackend } from "./test-backend.ts";
