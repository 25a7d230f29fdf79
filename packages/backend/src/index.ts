export type { OutOfMemoryOptions } from "./append.ts";
export { CacheFullError, LayerOrderError, OutOfMemoryError } from "./append.ts";
export { TensorError } from "./attend-tokens.ts";
export type { Attention } from "./attention.ts";
export type { Backend, CachePlan, KvCache } from "./backend.ts";
export type { CacheReport } from "./cache-report.ts";
export { cacheReport } from "./cache-report.ts";
export { boundedLayer } from "./bounded-layer.ts";
export type { CacheStore, CallRows } from "./cache-store.ts";
export type {
  AttentionFeatures,
  CacheLimits,
  Capabilities,
  FieldFamily,
  KernelRange,
  SchemeFamily,
} from "./capabilities.ts";
export { capabilitiesOf, headSizesUpTo } from "./capabilities.ts";
export type { BackendDefinition } from "./define-backend.ts";
export { defineBackend } from "./define-backend.ts";
export { assertAlive, DisposedError } from "./disposed.ts";
export type { Destination } from "./finite-tensors.ts";
export { assertFiniteTensors } from "./finite-tensors.ts";
export type { KernelScheme } from "./kernel-scheme.ts";
export { kernelScheme } from "./kernel-scheme.ts";
export { LimitError, limitsWithin } from "./limits.ts";
export { nearestScheme, schemesOf, supportsScheme } from "./nearest-scheme.ts";
export { assertPlanSupported, PlanShapeError } from "./plan-support.ts";
export { RetuneError } from "./retune-check.ts";
export type { CacheImage, HeadImage, LayerImage } from "./snapshot/cache-image.ts";
export { SnapshotError } from "./snapshot/read-snapshot.ts";
export { ImageError, writeSnapshot } from "./snapshot/write-snapshot.ts";
export { roundDecoded, TruncateError } from "./truncation.ts";
export { CallUnderWayError, Turns } from "./turns.ts";
export { UnsupportedShapeError } from "./unsupported-shape.ts";
export { UnsupportedSchemeError } from "./unsupported-scheme.ts";
