import type { z } from "zod";
import type { Option } from "../option-table.ts";
import type { CostTable, PlanCost, SearchSpace } from "../space/space.ts";

/** The figures of a plan that limits read: its cost, and its loss in nats a token. */
export type LimitedPlan = Pick<PlanCost, "bytes" | "bits" | "equivalentBits"> & { readonly kl: number };

/** One kind of limit. To add one, write a file beside its neighbours and a line in the list of `limits.ts`. */
export interface LimitKind<Limit extends { readonly kind: string }> {
  readonly kind: Limit["kind"];
  /** Schema of the limit in study records. */
  readonly schema: z.ZodType<Limit>;
  /** The limit in words, without "at most". */
  text(limit: Limit): string;
  /** Absent for the kind that every plan keeps to. */
  readonly bound?: Bound<Limit>;
  /** Present where the limit is one of cost. Costs add up over layers, so the search can look near the limit. */
  readonly cost?: LimitedCost<Limit>;
}

/** A number that a plan must not exceed. */
export interface Bound<Limit> {
  /** The plan's number. */
  of(plan: LimitedPlan): number;
  /** The largest allowed number, which is also the value of the option. */
  most(limit: Limit): number;
  /** The limit that allows at most this number. */
  limit(most: number): Limit;
  /** The option of `tune` that sets the limit. Its value must be above 0; it conflicts with the options of all other limits. */
  readonly option: Pick<Option, "kind" | "value" | "help"> & {
    /** As programs give it: `maxKl` is `--max-kl`. */
    readonly name: string;
  };
}

/** A limit on a cost that adds up over layers. */
export interface LimitedCost<Limit> {
  /** The cost that is limited, by layer and choice. */
  table(space: SearchSpace): CostTable;
  /** The largest allowed sum over layers, in the same unit. */
  total(limit: Limit, space: SearchSpace): number;
  /** Approximate bytes, at the context length, of plans at the limit. */
  focusBytes(limit: Limit, space: SearchSpace): number;
  /** The plan's cost in words, with the context length if the cost depends on it. */
  words(plan: Omit<LimitedPlan, "kl">, context?: number): string;
  /** What users can do if no plan keeps to the limit. */
  readonly advice: string;
}
