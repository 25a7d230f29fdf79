import type { Family } from "./family.ts";

/** Qwen2 and Qwen2.5. */
export const qwen2: Family = { ropeRows: "halves", needsBias: true, hasHeadNorms: false };
