import { parseShorthand, type Plan, uniformPlan } from "@kvtuner/plan";
import { assertPlanForModel, parsePlan } from "@kvtuner/plan/files";
import type { Model } from "./model.ts";

/**
 * A plan for a model, from the text of a `plan.json` or from shorthand like `kivi:K4V2+sinks4`.
 *
 * @throws KvtunerError when it is neither, or a plan for another model
 */
export const readPlan = (text: string, { identity, shape }: Pick<Model, "identity" | "shape">): Plan => {
  const plan = text.trimStart().startsWith("{")
    ? parsePlan(text)
    : uniformPlan(identity, shape, parseShorthand(text.trim()).layer);
  assertPlanForModel(plan, identity, shape);
  return plan;
};
