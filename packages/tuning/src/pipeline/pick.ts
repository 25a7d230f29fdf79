import { formatPair, pairOf } from "@kvtuner/plan";
import { hypervolume, nonDominatedSort } from "@kvtuner/search";
import { z } from "zod";
import { isBound, keepsTo, LimitUnmetError, limitsCost, type Limit } from "../limits/limits.ts";
import {
  planLayers,
  planCost,
  planCostSchema,
  planIdsSchema,
  planOfIds,
  searchCost,
  type SearchSpace,
} from "../space/space.ts";
import type { Stored } from "../storage/storage.ts";
import { taskFiguresSchema, type EvaluationEntry } from "./evaluation-entry.ts";
import type { ObjectiveKind } from "./objectives/objective-kind.ts";
import { baseObjective, needsTask, objectivesOf, type Objective } from "./objectives/objectives.ts";

/** Schema of {@link Front}. */
export const frontSchema = (space: Pick<SearchSpace, "shape" | "choices">) =>
  z.object({
    /** Non-dominated plans, cheapest first. */
    front: z.array(
      z.object({
        ...planCostSchema.shape,
        /** Id of each layer's choice. */
        choices: planIdsSchema(space),
        /** Pair of each layer's choice: `K8V4` and the like. */
        pairs: z.array(z.string()).length(space.shape.layers),
        /** Mean KL divergence to the float cache on the calibration samples, or on a task's answers, nats a token. */
        kl: z.number(),
        klStandardError: z.number(),
        /** How a task's prompts were answered. */
        task: taskFiguresSchema.exactOptional(),
      }),
    ),
    /** Plans evaluated. */
    evaluations: z.int().min(0),
    /** Of all plans evaluated, over (log10 KL, equivalent bits) up to `HYPERVOLUME_REFERENCE`. */
    hypervolume: z.number(),
  });

/** `front.json`. */
export type Front = Stored<ReturnType<typeof frontSchema>>;

/** A plan of the front: its choices, cost and loss. */
export type FrontPlan = Front["front"][number];

/** log10 KL = 0 and 8 equivalent bits. */
export const HYPERVOLUME_REFERENCE: readonly [number, number] = [0, 8];

/** A KL below this is rounding noise; it keeps the logarithm finite. */
const SMALLEST_KL = 1e-9;

/** The front of what was evaluated: plans that no other beats in cost, KL and the losses of the objective. It has no dropped plans. */
export const makeFront = (
  space: SearchSpace,
  entries: readonly EvaluationEntry[],
  objective: Objective = "kl",
): Front => {
  const plans = entries.map((entry) => frontPlan(space, entry));
  const whole = plans.filter(({ task }) => task?.isComplete !== false);
  const kinds = [...new Set([baseObjective, ...objectivesOf(objective)])];
  const objectives = whole.map((plan) => [
    searchCost(space, planOfIds(space, plan.choices)),
    ...kinds.map((kind) => kind.loss(plan)),
  ]);
  const front = (nonDominatedSort(objectives)[0] ?? []).flatMap((index) => whole[index] ?? []);
  const points = plans.map((plan) => [logKl(plan.kl), plan.equivalentBits]);
  return {
    front: withoutTwins(
      front.toSorted((one, other) => one.bytes - other.bytes || one.kl - other.kl || order(one, other)),
    ),
    evaluations: plans.length,
    hypervolume: hypervolume(points, [...HYPERVOLUME_REFERENCE]),
  };
};

const frontPlan = (space: SearchSpace, { choices, kl, klStandardError, task }: EvaluationEntry): FrontPlan => {
  const plan = planOfIds(space, choices);
  return {
    choices,
    pairs: planLayers(space, plan).map((layer) => formatPair(pairOf(layer))),
    ...planCost(space, plan),
    kl,
    klStandardError,
    ...(task && { task }),
  };
};

const logKl = (kl: number): number => Math.log10(Math.max(kl, SMALLEST_KL));

/** Plans of equal cost and loss do not dominate each other; one of them is enough. */
const withoutTwins = (front: readonly FrontPlan[]): FrontPlan[] =>
  front.filter(
    (plan, index) => index === 0 || plan.kl !== front[index - 1]?.kl || plan.bytes !== front[index - 1]?.bytes,
  );

const order = (one: FrontPlan, other: FrontPlan): number => (one.choices.join() < other.choices.join() ? -1 : 1);

/**
 * The plan to use; `undefined` if no plan of the front keeps to the limit. A limit of cost picks the plan of the lowest KL, a limit
 * of loss the cheapest plan, and no limit the knee.
 *
 * If a task decides (`objective` `task` or `both`), the plan is picked among those at most one standard error less accurate than
 * the best plan within the limit, since chance could order them otherwise. No limit then picks the cheapest of them.
 */
export const pickPlan = (
  front: readonly FrontPlan[],
  limit: Limit,
  objective: Objective = "kl",
): FrontPlan | undefined => {
  const fitting = front.filter((plan) => keepsTo(limit, plan));
  const equals = objectivesOf(objective).reduce(withinNoise, fitting);
  if (limitsCost(limit)) return minimumBy(equals, (plan) => baseObjective.loss(plan));
  return isBound(limit) || needsTask(objective) ? minimumBy(equals, (plan) => plan.bytes) : knee(equals);
};

/** Plans at most one standard error worse than the best: within the noise, they may be as good. */
const withinNoise = (plans: readonly FrontPlan[], kind: ObjectiveKind): readonly FrontPlan[] => {
  const [best] = plans.toSorted(
    (one, other) => kind.loss(one) - kind.loss(other) || baseObjective.loss(one) - baseObjective.loss(other),
  );
  return best === undefined || kind.leadInErrors === undefined
    ? plans
    : plans.filter((plan) => (kind.leadInErrors?.(best, plan) ?? 0) <= 1);
};

/**
 * As {@link pickPlan}.
 *
 * @throws LimitUnmetError when no plan of the front keeps to the limit, naming the nearest.
 */
export const pickedFrom = (front: readonly FrontPlan[], limit: Limit, objective: Objective = "kl"): FrontPlan => {
  const picked = pickPlan(front, limit, objective);
  if (picked !== undefined) return picked;
  throw new LimitUnmetError(limit, front);
};

/**
 * The knee rule: scale log10 KL and bits of the front to 0..1, draw the line from the cheapest plan to the best one,
 * and take the plan farthest below it; the cheaper of two equal ones.
 */
const knee = (front: readonly FrontPlan[]): FrontPlan | undefined => {
  const bits = scaler(front.map((plan) => plan.bits));
  const loss = scaler(front.map((plan) => logKl(plan.kl)));
  return minimumBy(front, (plan) => bits(plan.bits) + loss(logKl(plan.kl)));
};

const scaler = (values: readonly number[]): ((value: number) => number) => {
  const low = values.reduce((smallest, value) => Math.min(smallest, value), Infinity);
  const high = values.reduce((largest, value) => Math.max(largest, value), -Infinity);
  return (value) => (high > low ? (value - low) / (high - low) : 0);
};

const minimumBy = <Item>(items: readonly Item[], value: (item: Item) => number): Item | undefined =>
  items.reduce<Item | undefined>(
    (best, item) => (best === undefined || value(item) < value(best) ? item : best),
    undefined,
  );
