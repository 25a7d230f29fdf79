import type { Family } from "./family.ts";

/** Llama 3.x and SmolLM2. llama.cpp's converter reorders the rows of query and key. */
export const llama: Family = { ropeRows: "neighbours", needsBias: false, hasHeadNorms: false };
