import { planSize, type Plan, type PlanSize } from "@kvtuner/plan";
import {
  choiceIdsOf,
  labelsOf,
  makeFront,
  planCost,
  planOfIds,
  spaceOf,
  type EvaluationEntry,
  type PlanCost,
  type SearchSpace,
  type StudyContents,
} from "@kvtuner/tuning";
import { bitsLimit, type BitsLimit } from "./bits-limit.ts";

/** Input of all parts of a report. */
export interface ReportData extends StudyContents {
  /** Tokens at which bytes and bits are counted. */
  readonly context: number;
  /** The user's budget in bytes; undefined without one. */
  readonly budget: number | undefined;
  /** Limit of true bits at the context length; undefined if there is none, or it is not one number. */
  readonly limit: BitsLimit | undefined;
  /** The choices, priced at the context length. */
  readonly space: SearchSpace;
  /** Indices of the choices to show one by one: all, or of hundreds those that plans use most. */
  readonly shown: readonly number[];
  /** Everything evaluated, priced at the context length. */
  readonly evaluated: readonly PricedEntry[];
  readonly picked: PickedPlan | undefined;
}

/** An evaluated plan with its cost. */
export interface PricedEntry extends EvaluationEntry, PlanCost {
  /** Label of each layer's choice. */
  readonly pairs: readonly string[];
  /** On the front of the study, or of what was evaluated so far. */
  readonly onFront: boolean;
  /** The label, when all layers have the same choice. */
  readonly uniform: string | undefined;
  /** The picked plan. */
  readonly picked: boolean;
  /** Evaluated on part of the samples or prompts, in a study that is still running. */
  readonly isUnderWay: boolean;
}

/** The picked plan with its cost. */
export interface PickedPlan extends Omit<PlanSize, "bytesByPart"> {
  readonly plan: Plan;
  /** Id and label of each layer's choice. */
  readonly choices: readonly string[];
  readonly pairs: readonly string[];
}

/** Options of a report. */
export interface ReportView {
  readonly budget?: number;
  readonly context?: number;
}

/** Prices a study. The default budget is the one given to `tune` in bytes. */
export const reportData = (study: StudyContents, view: ReportView): ReportData => {
  const context = view.context ?? study.settings.context;
  const space = spaceOf(study.settings, context, study.codings);
  const picked = study.plan && pickedPlan(study.plan, space);
  const { settings, entries } = study;
  const front =
    study.front ?? makeFront(spaceOf(settings, settings.context, study.codings), entries, settings.objective);
  const onFront = new Set(front.front.map(({ choices }) => choices.join()));
  const evaluated = study.entries.map((entry) => {
    const pairs = labelsOf(space, entry.choices);
    return {
      ...entry,
      pairs,
      ...planCost(space, planOfIds(space, entry.choices)),
      onFront: onFront.has(entry.choices.join()),
      uniform: new Set(pairs).size === 1 ? pairs[0] : undefined,
      picked: entry.choices.join() === picked?.choices.join(),
      isUnderWay: study.front === undefined && entry.task?.isComplete === false && !entry.task.isGivenUp,
    };
  });
  const budget = view.budget ?? budgetOf(study);
  return {
    ...study,
    context,
    budget,
    limit: bitsLimit(study, space, budget),
    space,
    shown: shownChoices(space, evaluated),
    evaluated,
    picked,
  };
};

/** Rows that people can tell apart. */
const MOST_SHOWN = 40;

const shownChoices = ({ choices }: SearchSpace, evaluated: readonly PricedEntry[]): number[] => {
  if (choices.length <= MOST_SHOWN) return [...choices.keys()];
  const uses = new Map<string, number>();
  // The choices of the picked plan come before all others, those of the front before the rest.
  for (const { picked, onFront, choices: ids } of evaluated)
    for (const id of ids) uses.set(id, (uses.get(id) ?? 0) + (picked ? 1e6 : onFront ? 1e3 : 1));
  const most = [...uses].toSorted(([, one], [, other]) => other - one).slice(0, MOST_SHOWN);
  const ids = new Set(most.map(([id]) => id));
  return [...choices.keys()].filter((choice) => ids.has(choices[choice]!.id));
};

const pickedPlan = (plan: Plan, space: SearchSpace): PickedPlan => {
  const choices = choiceIdsOf(space, plan.layers);
  return { plan, choices, pairs: labelsOf(space, choices), ...planSize(plan, space.context) };
};

const budgetOf = ({ request }: StudyContents): number | undefined =>
  request?.limit.kind === "bytes" ? request.limit.bytes : undefined;
