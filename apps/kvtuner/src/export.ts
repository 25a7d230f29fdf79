import { writeFileSync } from "node:fs";
import type { Plan } from "@kvtuner/plan";
import {
  EXPORT_TARGETS,
  exportPlan,
  oneOf,
  OptionError,
  thenDispose,
  type ExportedPlan,
  type ExportTarget,
} from "@kvtuner/tuning";
import { openPlanScorer } from "./evaluate.ts";
import { ExportFileError } from "./export-file-error.ts";
import { exportToOnnx } from "./export-onnx.ts";
import type { ExportResult } from "./export-result.ts";
import { readPlanFile } from "./model/read-plan.ts";
import type { ExportOptions } from "./options.ts";

/**
 * Writes a plan as the nearest setting that another runtime can express.
 *
 * @throws KvtunerError for a plan that cannot be read, an unknown target, and with a model as `evaluate` does
 */
export const exportTo = async (given: ExportOptions): Promise<ExportResult> => {
  const target = oneOf<ExportTarget>("to", given.to as ExportTarget, EXPORT_TARGETS);
  return target === "onnx" ? exportToOnnx(given) : exportSetting(target, given);
};

const exportSetting = async (
  target: ExportTarget,
  { plan: given, to: _, out, model, calibrationText, ...options }: ExportOptions,
): Promise<ExportResult> => {
  if (calibrationText !== undefined)
    throw new OptionError("calibration-text", `no text for ${target}, which has no calibrated scales`, calibrationText);
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

const written = (to: ExportTarget, exported: ExportedPlan, out: string | undefined): ExportResult => {
  if (out === undefined) return { to, ...exported };
  try {
    writeFileSync(out, exported.text, { flag: "wx" });
  } catch (cause) {
    throw new ExportFileError(out, cause);
  }
  return { to, out, ...exported };
};
