import { KvtunerError } from "@kvtuner/plan";
import { z } from "zod";
import { commandOptions, fillOptions, type OptionTable } from "../option-table.ts";
import { positiveNumber } from "../option-values.ts";
import { cheapestPlan, idsOf, labelsOf, planCost, type CostTable, type SearchSpace } from "../space/space.ts";
import { bitsLimit, type BitsLimit } from "./bits.ts";
import { bytesLimit, type BytesLimit } from "./bytes.ts";
import { equivalentBitsLimit, type EquivalentBitsLimit } from "./equivalent-bits.ts";
import { klLimit, type KlLimit } from "./kl.ts";
import { kneeLimit, type KneeLimit } from "./knee.ts";
import type { Bound, LimitedPlan, LimitKind } from "./limit-kind.ts";

/** What the picked plan must keep to. At most one. */
export type Limit = BytesLimit | BitsLimit | EquivalentBitsLimit | KlLimit | KneeLimit;

const KINDS = [bytesLimit, bitsLimit, equivalentBitsLimit, klLimit, kneeLimit] as const;

/** Schema of a limit in study records. */
export const limitSchema: z.ZodType<Limit> = z.union(KINDS.map(({ schema }) => schema));

const BOUNDS = KINDS.flatMap((kind): Bound<Limit>[] => (kind.bound === undefined ? [] : [kind.bound as Bound<Limit>]));

/** The options of `tune` that set a limit; at most one may be given. */
export const LIMIT_OPTIONS: OptionTable = Object.fromEntries(
  BOUNDS.map(({ option: { name, ...option } }) => {
    const conflicts = BOUNDS.map((other) => other.option.name).filter((other) => other !== name);
    return [name, { ...option, fallback: undefined, check: positiveNumber, conflicts }];
  }),
);

/**
 * The limit that one of {@link LIMIT_OPTIONS} sets; the knee if none is given. Other options are ignored.
 *
 * @throws OptionError for a value that is not above 0
 */
export const limitOf = (given: object): Limit => {
  const filled: Readonly<Record<string, unknown>> = fillOptions(LIMIT_OPTIONS, given);
  const bound = BOUNDS.find(({ option }) => filled[option.name] !== undefined);
  return bound === undefined ? { kind: "knee" } : bound.limit(filled[bound.option.name] as number);
};

/** The entry of a limit's kind. The type of a list cannot say that both have the same kind. */
const kindOf = (limit: Limit): LimitKind<Limit> => {
  const kind = KINDS.find((candidate) => candidate.kind === limit.kind);
  if (kind === undefined) throw new Error(`internal: there is no limit of the kind ${limit.kind}`);
  return kind;
};

/** Whether a plan of this cost and loss keeps to the limit. */
export const keepsTo = (limit: Limit, plan: LimitedPlan): boolean => {
  const { bound } = kindOf(limit);
  return bound === undefined || bound.of(plan) <= bound.most(limit);
};

/** Whether the limit is one of cost. Such a limit picks the best plan within it, any other the cheapest. */
export const limitsCost = (limit: Limit): boolean => kindOf(limit).cost !== undefined;

/** Whether a plan can exceed the limit. */
export const isBound = (limit: Limit): boolean => kindOf(limit).bound !== undefined;

/** Share of the limit by which a plan exceeds it; 0 within the limit, and for limits of loss. */
export const excessOf = (limit: Limit, cost: Omit<LimitedPlan, "kl">): number => {
  const kind = kindOf(limit);
  if (kind.cost === undefined || kind.bound === undefined) return 0;
  return Math.max(0, kind.bound.of({ ...cost, kl: 0 }) / kind.bound.most(limit) - 1);
};

/** Bytes at the context length near which to search; undefined for a limit of loss. */
export const focusOf = (limit: Limit, space: SearchSpace): number | undefined =>
  kindOf(limit).cost?.focusBytes(limit, space);

/**
 * Whether layers differ in the cost that the search minimizes, but not in the one that the limit is of. Plans within the limit
 * then give few bits to layers that cost much, which need not be those that tolerate it.
 */
export const limitsOtherCost = (limit: Limit, space: SearchSpace): boolean => {
  const { cost } = kindOf(limit);
  return cost !== undefined && isEven(cost.table(space)) && !isEven(space.costs);
};

const isEven = (table: CostTable): boolean =>
  table.every((costs) => costs.every((cost, choice) => cost === table[0]![choice]));

/** A cost and the largest sum over layers that a limit allows. */
export interface AllowedCost {
  readonly costs: CostTable;
  readonly most: number;
}

/** The cost that plans may have under a limit; undefined for a limit of loss. */
export const allowedCost = (limit: Limit, space: SearchSpace): AllowedCost | undefined => {
  const { cost } = kindOf(limit);
  return cost && { costs: cost.table(space), most: cost.total(limit, space) };
};

/**
 * Checks, before any slow step, that some plan of the space meets the budget.
 *
 * @throws BudgetUnmetError naming the smallest plan.
 */
export const assertReachable = (limit: Limit, space: SearchSpace): void => {
  const { cost, text } = kindOf(limit);
  if (cost === undefined) return;
  const smallest = cheapestPlan(cost.table(space));
  const plan = planCost(space, smallest);
  if (keepsTo(limit, { ...plan, kl: 0 })) return;
  const labels = new Set(labelsOf(space, idsOf(space, smallest)));
  const named = { name: [...labels].join(" or "), cost: cost.words(plan, space.context) };
  throw new BudgetUnmetError(text(limit), named, cost.advice);
};

/** The limit in words. */
export const describeLimit = (limit: Limit): string =>
  isBound(limit)
    ? kindOf(limit)
        .text(limit)
        .replace(/^(KL )?/, (name) => `${name}at most `)
    : kindOf(limit).text(limit);

/** The flag of `tune` that sets the limit, and its value; empty for the knee, which is the default. */
export const limitOption = (limit: Limit): [flag: string, value: string][] => {
  const { bound } = kindOf(limit);
  return bound === undefined ? [] : commandOptions(LIMIT_OPTIONS, { [bound.option.name]: bound.most(limit) });
};

/** The smallest plan: the label of its choices, and its cost in the unit of the limit. */
export interface SmallestPlan {
  readonly name: string;
  readonly cost: string;
}

/** No plan meets the budget. */
export class BudgetUnmetError extends KvtunerError {
  constructor(budget: string, smallest: SmallestPlan, advice: string = "raise the budget, shorten --context") {
    super(
      "BUDGET_TOO_SMALL",
      `expected a budget that some plan meets, got ${budget}; the smallest plan, ${smallest.name} in every layer, takes ` +
        `${smallest.cost}; ${advice}, or add smaller pairs`,
    );
    this.name = "BudgetUnmetError";
  }
}

/** The search found no plan that keeps to the limit. */
export class LimitUnmetError extends KvtunerError {
  constructor(limit: Limit, front: readonly LimitedPlan[]) {
    const costs = front.map((plan) => ({
      cost: (kindOf(limit).cost ?? bytesLimit.cost)?.words(plan) ?? "",
      excess: excessOf(limit, plan),
      plan,
    }));
    const [smallest] = costs.toSorted((one, other) => one.excess - other.excess || one.plan.bytes - other.plan.bytes);
    const kl = front.reduce((least, plan) => Math.min(least, plan.kl), Infinity).toPrecision(3);
    super(
      "LIMIT_NOT_MET",
      `expected a plan on the front with ${describeLimit(limit)}, got none: the smallest plan takes ${smallest?.cost} and the best has KL ${kl}; ` +
        "the study is saved: run again with another limit, or with more evaluations or pairs and another --out",
    );
    this.name = "LimitUnmetError";
  }
}
