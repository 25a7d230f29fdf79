import { serializePlan, type Plan } from "@kvtuner/plan";

import type { EvaluationEntry } from "./evaluation-entry.ts";
import { choiceOf, type FrontPlan } from "./pick.ts";
import type { StudyRun } from "./run-study.ts";
import { planLayers } from "./space.ts";

/** Text of `plan.json`: the picked plan with what was measured. */
export const planFile = (
  { model, study, space, textWindows }: Pick<StudyRun, "model" | "study" | "space" | "textWindows">,
  picked: FrontPlan,
  entries: readonly EvaluationEntry[],
): string => {
  const entry = entries.find((candidate) => candidate.pairs.join() === picked.pairs.join());
  const plan: Plan = {
    version: 1,
    model: model.identity,
    shape: model.shape,
    layers: planLayers(space, choiceOf(space, picked.pairs)),
    measured: {
      kl: picked.kl,
      klStandardError: picked.klStandardError,
      ...(entry && { top1: entry.top1, perplexity: entry.perplexity }),
      contextLength: study.context,
      text: `${study.windows} ${study.windows === 1 ? "window" : "windows"} of ${study.windowLength} tokens of ${textWindows === undefined ? "the model's own text" : "the calibration text"}`,
    },
  };
  return serializePlan(plan);
};
