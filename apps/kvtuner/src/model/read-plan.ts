import { existsSync, readFileSync } from "node:fs";

import { assertPlanFits, KvtunerError, parsePlan, parseShorthand, uniformPlan, type Plan } from "@kvtuner/plan";

import { reasonOf } from "../study/reason.ts";
import type { TunableModel } from "./tunable-model.ts";

/**
 * A plan for a model: as given, from JSON text, from a file, or from shorthand like `kivi:K4V2+sinks4`.
 *
 * @throws KvtunerError when it is none of these, or a plan for another model.
 */
export const readPlan = (given: Plan | string, model: Pick<TunableModel, "identity" | "shape">): Plan => {
  const plan = typeof given === "string" ? fromText(given.trim(), model) : given;
  assertPlanFits(plan, model.identity, model.shape);
  return plan;
};

const fromText = (text: string, { identity, shape }: Pick<TunableModel, "identity" | "shape">): Plan => {
  if (text.startsWith("{")) return parsePlan(text);
  if (looksLikePath(text)) return readPlanFile(text);
  return uniformPlan(identity, shape, parseShorthand(text).layer);
};

/** `kivi:K4V2` is shorthand also in a folder that happens to hold a file of another name. */
const looksLikePath = (text: string): boolean => /[/\\]|\.json$/i.test(text) || existsSync(text);

/**
 * Reads a plan file.
 *
 * @throws PlanFileKvtunerError naming the file, when it cannot be read or holds no plan.
 */
export const readPlanFile = (path: string): Plan => {
  try {
    return parsePlan(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new PlanFileKvtunerError(path, cause);
  }
};

/** A plan file that cannot be read, or that holds no plan: then the code is the one `parsePlan` gives. */
export class PlanFileKvtunerError extends KvtunerError {
  constructor(path: string, cause: unknown) {
    const [code, message] = KvtunerError.isInstance(cause)
      ? [cause.code, `${path}: ${cause.message}`]
      : [
          "PLAN_FILE_UNREADABLE",
          `expected a plan file at ${path}, like the plan.json of a study, but ${reasonOf(cause)}`,
        ];
    super(code, message, { cause });
    this.name = "PlanFileKvtunerError";
  }
}
