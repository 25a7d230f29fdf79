import type { Family } from "./family.ts";

/** Qwen3, dense. */
export const qwen3: Family = { ropeRows: "halves", needsBias: false, hasHeadNorms: true };
