export type { MeasureProgress, MeasureRun, MeasureSettings } from "./measure.ts";
export { decodedTokens, timeVariants } from "./measure.ts";
export type { OwnVariants } from "./own-variants.ts";
export { openOwnVariants } from "./own-variants.ts";
export type { ContextReport, DecodeReport, PrefillReport, Speedups, VariantReport } from "./report.ts";
export { syntheticNumbers, syntheticSnapshot } from "./synthetic-snapshot.ts";
export type { Variant, VariantKind } from "./variant.ts";
