import type { ExportedPlan, ExportTarget, TextResult } from "@kvtuner/tuning";

/** Result of `exportTo`. */
export interface ExportResult extends ExportedPlan {
  readonly to: ExportTarget;
  /** Path of the file, or for ONNX of the folder, that was written. */
  readonly out?: string;
  /** Loss and bytes of the plan and of what the target stores; only with a model. */
  readonly measured?: { readonly plan: TextResult; readonly exported: TextResult };
}
