import { equivalentBits, formatPair, pairOf, type Plan, planBytes, trueBits } from "@kvtuner/plan";
import {
  choiceOf,
  makeFront,
  planCost,
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
  /** Pairs, priced at the context length. */
  readonly space: SearchSpace;
  /** Everything evaluated, priced at the context length. */
  readonly evaluated: readonly PricedEntry[];
  readonly picked: PickedPlan | undefined;
}

/** An evaluated plan with its cost. */
export interface PricedEntry extends EvaluationEntry, PlanCost {
  /** On the front of the study, or of what was evaluated so far. */
  readonly onFront: boolean;
  /** The pair, when all layers have the same one. */
  readonly uniform: string | undefined;
  /** The picked plan. */
  readonly picked: boolean;
  /** Evaluated on part of the samples or prompts, in a study that is still running. */
  readonly isUnderWay: boolean;
}

/** The picked plan with its cost. */
export interface PickedPlan {
  readonly plan: Plan;
  /** By layer. */
  readonly pairs: readonly string[];
  readonly bytes: number;
  readonly bits: number;
  readonly equivalentBits: number;
}

/** Options of a report. */
export interface ReportView {
  readonly budget?: number;
  readonly context?: number;
}

/** Prices a study. The default budget is the one given to `tune` in bytes. */
export const reportData = (study: StudyContents, view: ReportView): ReportData => {
  const context = view.context ?? study.settings.context;
  const space = spaceOf(study.settings, context);
  const picked = study.plan && pickedPlan(study.plan, context);
  const { settings, entries } = study;
  const front = study.front ?? makeFront(spaceOf(settings, settings.context), entries, settings.objective);
  const onFront = new Set(front.front.map(({ pairs }) => pairs.join()));
  const evaluated = study.entries.map((entry) => ({
    ...entry,
    ...planCost(space, choiceOf(space, entry.pairs)),
    onFront: onFront.has(entry.pairs.join()),
    uniform: new Set(entry.pairs).size === 1 ? entry.pairs[0] : undefined,
    picked: entry.pairs.join() === picked?.pairs.join(),
    isUnderWay: study.front === undefined && entry.task?.isComplete === false && !entry.task.isGivenUp,
  }));
  const budget = view.budget ?? budgetOf(study);
  return { ...study, context, budget, limit: bitsLimit(study, space, budget), space, evaluated, picked };
};

const pickedPlan = (plan: Plan, context: number): PickedPlan => ({
  plan,
  pairs: plan.layers.map((layer) => formatPair(pairOf(layer))),
  bytes: planBytes(plan, context).total,
  bits: trueBits(plan, context),
  equivalentBits: equivalentBits(plan),
});

const budgetOf = ({ request }: StudyContents): number | undefined =>
  request?.limit.kind === "bytes" ? request.limit.bytes : undefined;
