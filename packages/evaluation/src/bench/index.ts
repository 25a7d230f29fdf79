export { decodedTokens, timeVariants } from "./measure.ts";
export { openOwnVariants } from "./own-variants.ts";
export type { ContextReport, VariantReport } from "./report.ts";
export { syntheticNumbers, syntheticSnapshot } from "./synthetic-snapshot.ts";
export type { Variant } from "./variant.ts";
