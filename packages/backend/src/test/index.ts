export { LawError } from "./law.ts";
export type { LawName } from "./laws.ts";
export { LAWS } from "./laws.ts";
export { testBackend } from "./test-backend.ts";
