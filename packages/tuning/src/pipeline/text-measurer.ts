import type { Evaluator, Score } from "@kvtuner/evaluation";
import type { Callbacks } from "../progress.ts";
import { idsOf, planLayers, type SearchSpace } from "../space/space.ts";
import type { Journal } from "../storage/journal.ts";
import { evaluationEntry, planKey, type EvaluationEntry } from "./evaluation-entry.ts";
import type { Measurer, Place } from "./measurer.ts";

/** Parts of {@link textMeasurer}. */
export interface TextMeasurerParts extends Callbacks {
  readonly space: SearchSpace;
  readonly evaluator: () => Promise<Evaluator>;
  readonly journal: Journal<EvaluationEntry>;
}

/** Scores plans on samples of text. The scores of plans that run together are journaled before the next plans start. */
export const textMeasurer = (parts: TextMeasurerParts): Measurer => {
  const known = new Map(parts.journal.entries.map((entry) => [planKey(entry.choices), entry]));
  return {
    known,
    evaluate: (plans, place) => evaluateMissing(parts, known, plans, place),
    recall: async () => undefined,
  };
};

const evaluateMissing = async (
  { space, evaluator, journal, progress, signal }: TextMeasurerParts,
  known: Map<string, EvaluationEntry>,
  plans: readonly (readonly number[])[],
  { done, total }: Place,
): Promise<void> => {
  const byKey = new Map(plans.map((plan) => [planKey(idsOf(space, plan)), plan]));
  const missing = [...byKey].filter(([key]) => !known.has(key)).map(([, plan]) => plan);
  if (missing.length === 0) return;
  const scorer = await evaluator();
  let finished = 0;
  const record = async (index: number, score: Score): Promise<void> => {
    const entry = evaluationEntry(idsOf(space, missing[index] ?? []), score);
    await journal.append(entry);
    known.set(planKey(entry.choices), entry);
    progress({ step: "search", done: done + ++finished, total, note: `KL ${entry.kl.toPrecision(3)}` });
    signal?.throwIfAborted();
  };
  signal?.throwIfAborted();
  const layers = missing.map((plan) => planLayers(space, plan));
  await scorer.evaluate(layers, { assets: space.assets, onScore: record, ...(signal && { signal }) });
};
