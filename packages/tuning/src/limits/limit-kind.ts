import type { z } from "zod";
import type { PlanCost, SearchSpace } from "../space/space.ts";

/** What limits look at: a plan's cost, and its loss in nats a token. */
export type LimitedPlan = Pick<PlanCost, "bytes" | "bits" | "equivalentBits"> & { readonly kl: number };

/**
 * One kind of limit. A new kind is one file like its neighbours, a line in the list of `limits.ts`, and its flag in the command line.
 */
export interface LimitKind<Limit extends { readonly kind: string }> {
  readonly kind: Limit["kind"];
  /** What a study stores of it. */
  readonly schema: z.ZodType<Limit>;
  /** The option of `tune` that sets it, and its value; undefined for the default. */
  option(limit: Limit): readonly [name: string, value: string] | undefined;
  /** The limit in words, without "at most". */
  text(limit: Limit): string;
  /** What is limited, and to how much; absent for a kind that every plan keeps to. */
  readonly bound?: { of(plan: LimitedPlan): number; most(limit: Limit): number };
  /** Present where a cost is limited, which adds up over layers: the search can look near it. */
  readonly cost?: LimitedCost<Limit>;
}

/** How a limit of cost adds up. */
export interface LimitedCost<Limit> {
  /** Cost of one layer, by choice. */
  ofLayer(space: SearchSpace): readonly number[];
  /** The most that all layers may cost together, in the same unit. */
  total(limit: Limit, space: SearchSpace): number;
  /** Bytes at the context length near which plans of that cost are. */
  focusBytes(limit: Limit, space: SearchSpace): number;
  /** What a plan costs, in words; with the context length where that matters. */
  words(plan: Omit<LimitedPlan, "kl">, context?: number): string;
  /** What helps a user whose limit no plan keeps to. */
  readonly advice: string;
}
