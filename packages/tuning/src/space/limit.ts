import { formatBytes, KvtunerError } from "@kvtuner/plan";

import { planCost, type PlanCost, type SearchSpace } from "./space.ts";

/** What the picked plan must keep to: bytes or true bits at the context length, the paper's bits, or a loss. At most one. */
export type Limit =
  | { readonly kind: "bytes"; readonly bytes: number }
  | { readonly kind: "bits"; readonly bits: number }
  | { readonly kind: "equivalent-bits"; readonly bits: number }
  | { readonly kind: "kl"; readonly kl: number }
  | { readonly kind: "knee" };

type Cost = Pick<PlanCost, "bytes" | "bits" | "equivalentBits">;

/** Whether a plan of this cost and loss (nats a token) keeps to the limit. */
export const keepsTo = (limit: Limit, plan: Cost & { readonly kl: number }): boolean => {
  switch (limit.kind) {
    case "bytes":
      return plan.bytes <= limit.bytes;
    case "bits":
      return plan.bits <= limit.bits;
    case "equivalent-bits":
      return plan.equivalentBits <= limit.bits;
    case "kl":
      return plan.kl <= limit.kl;
    case "knee":
      return true;
  }
};

/** By which share of the limit a plan costs more; 0 when it does not, or the limit is none of cost. */
export const excessOf = (limit: Limit, { bytes, bits, equivalentBits }: Cost): number => {
  switch (limit.kind) {
    case "bytes":
      return Math.max(0, bytes / limit.bytes - 1);
    case "bits":
      return Math.max(0, bits / limit.bits - 1);
    case "equivalent-bits":
      return Math.max(0, equivalentBits / limit.bits - 1);
    case "kl":
    case "knee":
      return 0;
  }
};

/** Bytes at the context length that the search should look near; undefined when the limit says none. */
export const focusOf = (limit: Limit, space: SearchSpace): number | undefined => {
  const { shape, context } = space;
  if (limit.kind === "bytes") return limit.bytes;
  if (limit.kind === "equivalent-bits") return bytesNear(limit.bits, space);
  if (limit.kind !== "bits") return undefined;
  return Math.floor((limit.bits * 2 * shape.layers * shape.kvHeads * shape.headSize * context) / 8);
};

/** Bytes of a plan of so many equivalent bits, on the line from the smallest pair in every layer to the largest. */
const bytesNear = (equivalentBits: number, { shape, codeBits, layerBytes }: SearchSpace): number => {
  const [low, high] = [Math.min(...layerBytes), Math.max(...layerBytes)];
  const [few, many] = [Math.min(...codeBits), Math.max(...codeBits)];
  const share = many > few ? Math.min(1, Math.max(0, (2 * equivalentBits - few) / (many - few))) : 1;
  return Math.ceil(shape.layers * (low + share * (high - low)));
};

/**
 * Refuses a budget that no plan of the space can meet, before anything slow is done.
 *
 * @throws BudgetKvtunerError naming the smallest plan.
 */
export const assertReachable = (limit: Limit, space: SearchSpace): void => {
  const costs = limit.kind === "equivalent-bits" ? space.codeBits : space.layerBytes;
  const smallest = costs.indexOf(Math.min(...costs));
  const cost = planCost(space, Array<number>(space.shape.layers).fill(smallest));
  if (keepsTo(limit, { ...cost, kl: 0 })) return;
  const plan = { name: space.pairNames[smallest] ?? "", cost: costIn(limit, cost, space.context) };
  throw new BudgetKvtunerError(limitText(limit), plan, ADVICE[limit.kind]);
};

/** What helps beside smaller pairs. A longer context spreads what is kept in 16 bits over more tokens. */
const ADVICE: Readonly<Partial<Record<Limit["kind"], string>>> = {
  bits: "raise the bits, lengthen --context",
  "equivalent-bits": "raise the bits",
};

/** A rounded size could be one that is itself refused. */
export const exactBytes = (bytes: number): string => `${bytes} bytes (${formatBytes(bytes)})`;

/** Rounded up, for the same reason. */
const exactBits = (bits: number): string => (Math.ceil(bits * 1000) / 1000).toFixed(3);

/** A plan's cost in what the limit is one of; in bytes where it is none of cost. */
const costIn = (limit: Limit, { bytes, bits, equivalentBits }: Cost, context?: number): string => {
  // Codes are as large at any length.
  if (limit.kind === "equivalent-bits") return `${exactBits(equivalentBits)} equivalent bits`;
  const cost = limit.kind === "bits" ? `${exactBits(bits)} bits` : exactBytes(bytes);
  return context === undefined ? cost : `${cost} at ${context} tokens`;
};

/** A plan with one pair in every layer, and its cost in what was asked for. */
export interface SmallestPlan {
  readonly name: string;
  readonly cost: string;
}

/** No plan is as small as the budget asks. */
export class BudgetKvtunerError extends KvtunerError {
  constructor(budget: string, smallest: SmallestPlan, advice: string = "raise the budget, shorten --context") {
    super(
      "BUDGET_TOO_SMALL",
      `expected a budget that some plan meets, got ${budget}; the smallest plan, ${smallest.name} in every layer, takes ` +
        `${smallest.cost}; ${advice}, or add smaller pairs`,
    );
    this.name = "BudgetKvtunerError";
  }
}

/** The search found no plan that keeps to the limit. */
export class LimitKvtunerError extends KvtunerError {
  constructor(limit: Limit, front: readonly (Cost & { readonly kl: number })[]) {
    const costs = front.map((plan) => ({ cost: costIn(limit, plan), excess: excessOf(limit, plan), plan }));
    const [smallest] = costs.toSorted((one, other) => one.excess - other.excess || one.plan.bytes - other.plan.bytes);
    const kl = front.reduce((least, plan) => Math.min(least, plan.kl), Infinity).toPrecision(3);
    super(
      "LIMIT_NOT_MET",
      `expected a plan on the front with ${describeLimit(limit)}, got none: the smallest plan takes ${smallest?.cost} and the best has KL ${kl}; ` +
        "the study is saved: run again with another limit, or with more evaluations or pairs and another --out",
    );
    this.name = "LimitKvtunerError";
  }
}

/** The limit in words. */
export const describeLimit = (limit: Limit): string => {
  if (limit.kind === "knee") return limitText(limit);
  return limit.kind === "kl" ? `KL at most ${limit.kl}` : `at most ${limitText(limit)}`;
};

const limitText = (limit: Limit): string => {
  switch (limit.kind) {
    case "bytes":
      return exactBytes(limit.bytes);
    case "bits":
      return `${limit.bits} bits`;
    case "equivalent-bits":
      return `${limit.bits} equivalent bits`;
    case "kl":
      return `KL ${limit.kl}`;
    case "knee":
      return "the knee of the front";
  }
};
