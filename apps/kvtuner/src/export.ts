import { writeFileSync } from "node:fs";
import type { Plan } from "@kvtuner/plan";
import { KvtunerError } from "@kvtuner/plan";
import {
  EXPORT_TARGETS,
  exportPlan,
  OptionError,
  oneOf,
  systemReason,
  thenDispose,
  type ExportedPlan,
  type ExportTarget,
  type TextResult,
} from "@kvtuner/tuning";
import { openPlanScorer } from "./evaluate.ts";
import { readPlanFile } from "./model/read-plan.ts";
import type { ExportOptions } from "./options.ts";

/** Result of {@link exportTo}. */
export interface ExportResult extends ExportedPlan {
  readonly to: ExportTarget;
  /** Path that the setting was written to. */
  readonly out?: string;
  /** Loss and bytes of the plan and of what the target stores; only with a model. */
  readonly measured?: { readonly plan: TextResult; readonly exported: TextResult };
}

/**
 * Writes a plan as the nearest setting that another runtime can express.
 *
 * @throws KvtunerError for a plan that cannot be read, an unknown target, and with a model as `evaluate` does
 */
export const exportTo = async ({ plan: given, to, out, model, ...options }: ExportOptions): Promise<ExportResult> => {
  const target = targetOf(to);
  if (model === undefined) return written(target, exportPlan(readGiven(given), target), out);
  const scorer = await openPlanScorer({ ...options, model });
  return thenDispose(
    async () => {
      const plan = scorer.read(given);
      const exported = exportPlan(plan, target);
      const result = written(target, exported, out);
      return { ...result, measured: { plan: await scorer.score(plan), exported: await scorer.score(exported.plan) } };
    },
    () => scorer.dispose(),
  );
};

const readGiven = (given: Plan | string): Plan => (typeof given === "string" ? readPlanFile(given) : given);

/** Names that users look for and that cannot be written. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  onnx: "KVTuner does not write ONNX models with quantized caches",
};

const targetOf = (to: string): ExportTarget => {
  const reason = UNSUPPORTED[to];
  if (reason === undefined) return oneOf<ExportTarget>("to", to as ExportTarget, EXPORT_TARGETS);
  throw new OptionError("to", `one of ${EXPORT_TARGETS.join(", ")}`, `${to}: ${reason}`);
};

const written = (to: ExportTarget, exported: ExportedPlan, out: string | undefined): ExportResult => {
  if (out === undefined) return { to, ...exported };
  try {
    writeFileSync(out, exported.text, { flag: "wx" });
  } catch (cause) {
    throw new ExportFileError(out, cause);
  }
  return { to, out, ...exported };
};

/** The setting cannot be written to its file. */
export class ExportFileError extends KvtunerError {
  constructor(path: string, cause: unknown) {
    const exists = cause instanceof Error && "code" in cause && cause.code === "EEXIST";
    super(
      exists ? "EXPORT_FILE_EXISTS" : "EXPORT_FILE",
      exists
        ? `expected a new file, got ${path}, which exists; use another --out or remove it`
        : `writing ${path} failed: ${systemReason(cause)}; use another --out`,
      { cause },
    );
    this.name = "ExportFileError";
  }
}
