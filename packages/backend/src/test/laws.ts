import type { Law } from "./law.ts";
import { appendCostLaw } from "./laws/append-cost.ts";
import { attentionLaw } from "./laws/attention.ts";
import { bytesLaw } from "./laws/bytes.ts";
import { callsAtOnceLaw } from "./laws/calls-at-once.ts";
import { capabilitiesLaw } from "./laws/capabilities.ts";
import { constantGroupsLaw } from "./laws/constant-groups.ts";
import { disposeLaw } from "./laws/dispose.ts";
import { farOutLaw } from "./laws/far-out.ts";
import { finiteLaw } from "./laws/finite.ts";
import { foreignSnapshotLaw } from "./laws/foreign-snapshot.ts";
import { headGroupsLaw } from "./laws/head-groups.ts";
import { headSizesLaw } from "./laws/head-sizes.ts";
import { layerOrderLaw } from "./laws/layer-order.ts";
import { limitsLaw } from "./laws/limits.ts";
import { modesLaw } from "./laws/modes.ts";
import { newProcessLaw } from "./laws/new-process.ts";
import { ownershipLaw } from "./laws/ownership.ts";
import { prefillLaw } from "./laws/prefill.ts";
import { randomOperationsLaw } from "./laws/random-operations.ts";
import { recentLaw } from "./laws/recent.ts";
import { retuneLaw } from "./laws/retune.ts";
import { schemesLaw } from "./laws/schemes.ts";
import { sharedCachesLaw } from "./laws/shared-caches.ts";
import { slidingLaw } from "./laws/sliding.ts";
import { snapshotLaw } from "./laws/snapshot.ts";
import { tensorShapesLaw } from "./laws/tensor-shapes.ts";
import { truncateLaw } from "./laws/truncate.ts";
import { twoCachesLaw } from "./laws/two-caches.ts";
import { unevenLayersLaw } from "./laws/uneven-layers.ts";
import { unsupportedPlanLaw } from "./laws/unsupported-plan.ts";
import { valueSizeLaw } from "./laws/value-size.ts";

/** Short name of a law. */
export type LawName =
  | "capabilities"
  | "unsupported-plan"
  | "tensor-shapes"
  | "schemes"
  | "modes"
  | "head-groups"
  | "head-sizes"
  | "uneven-layers"
  | "attention"
  | "sliding"
  | "shared-caches"
  | "value-size"
  | "far-out"
  | "constant-groups"
  | "prefill"
  | "recent"
  | "bytes"
  | "finite"
  | "layer-order"
  | "ownership"
  | "truncate"
  | "retune"
  | "snapshot"
  | "new-process"
  | "foreign-snapshot"
  | "two-caches"
  | "calls-at-once"
  | "dispose"
  | "limits"
  | "append-cost"
  | "random-operations";

/** All laws by short name, simple ones first. */
export const LAWS: Readonly<Record<LawName, Law>> = {
  capabilities: capabilitiesLaw,
  "unsupported-plan": unsupportedPlanLaw,
  "tensor-shapes": tensorShapesLaw,
  schemes: schemesLaw,
  modes: modesLaw,
  "head-groups": headGroupsLaw,
  "head-sizes": headSizesLaw,
  "uneven-layers": unevenLayersLaw,
  attention: attentionLaw,
  sliding: slidingLaw,
  "shared-caches": sharedCachesLaw,
  "value-size": valueSizeLaw,
  "far-out": farOutLaw,
  "constant-groups": constantGroupsLaw,
  prefill: prefillLaw,
  recent: recentLaw,
  bytes: bytesLaw,
  finite: finiteLaw,
  "layer-order": layerOrderLaw,
  ownership: ownershipLaw,
  truncate: truncateLaw,
  retune: retuneLaw,
  snapshot: snapshotLaw,
  "new-process": newProcessLaw,
  "foreign-snapshot": foreignSnapshotLaw,
  "two-caches": twoCachesLaw,
  "calls-at-once": callsAtOnceLaw,
  dispose: disposeLaw,
  limits: limitsLaw,
  "append-cost": appendCostLaw,
  "random-operations": randomOperationsLaw,
};
