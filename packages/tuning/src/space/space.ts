import {
  formatPair,
  layerBytes,
  layerScheme,
  storedNumbers,
  type CacheShape,
  type LayerScheme,
  type Mode,
  type Pair,
} from "@kvtuner/plan";
import { z } from "zod";
import type { Stored } from "../storage/storage.ts";

/** What a plan's cost is counted in: bytes really stored at the context length, or the paper's bits of codes alone. */
export type CostKind = "true" | "equivalent";

/** The pairs a layer may take, with what each costs one layer. All layers have the same shape, so the same costs. */
export interface SearchSpace {
  readonly shape: CacheShape;
  /** Tokens at which bytes are counted. */
  readonly context: number;
  readonly cost: CostKind;
  readonly pairs: readonly Pair[];
  /** `K8V4` and the like, one a pair; what study files name pairs by. */
  readonly pairNames: readonly string[];
  /** One layer's scheme, by pair. */
  readonly schemes: readonly LayerScheme[];
  /** Bytes of one layer at the context length, by pair. */
  readonly layerBytes: readonly number[];
  /** Key bits and value bits, summed, by pair. */
  readonly codeBits: readonly number[];
  /** What the search minimizes beside the loss: a whole number for one layer, by pair. */
  readonly costs: readonly number[];
}

/** What makes a {@link SearchSpace}. */
export interface SpaceOptions {
  readonly mode: Mode;
  readonly pairs: readonly Pair[];
  readonly context: number;
  readonly cost: CostKind;
  readonly sinks?: number;
  readonly recent?: number;
}

/** The choices of one layer, priced at a context length. */
export const searchSpace = (shape: CacheShape, options: SpaceOptions): SearchSpace => {
  const { mode, pairs, context, cost, sinks, recent } = options;
  const overrides = { ...(sinks !== undefined && { sinks }), ...(recent !== undefined && { recent }) };
  const schemes = pairs.map((pair) => layerScheme(mode, pair, overrides));
  const bytes = schemes.map((scheme) => layerBytes(scheme, shape, context).total);
  const codeBits = pairs.map((pair) => pair.key + pair.value);
  const pairNames = pairs.map((pair) => formatPair(pair));
  const costs = cost === "true" ? bytes : codeBits;
  return { shape, context, cost, pairs, pairNames, schemes, layerBytes: bytes, codeBits, costs };
};

/** Schema of {@link PlanCost}. */
export const planCostSchema = z.object({
  /** Bytes at the context length. */
  bytes: z.number(),
  /** Mean bits a stored number takes at the context length, everything counted. */
  bits: z.number(),
  /** The paper's mean of key and value bits, codes alone. */
  equivalentBits: z.number(),
  /** Bytes divided by the context length. */
  bytesPerToken: z.number(),
});

/** Cost of a plan in each way of counting. */
export type PlanCost = Stored<typeof planCostSchema>;

/** Prices a plan: `choice[layer]` is an index into the space's pairs. */
export const planCost = (space: SearchSpace, choice: readonly number[]): PlanCost => {
  const bytes = sum(choice, space.layerBytes);
  return {
    bytes,
    bits: bitsOfBytes(space, bytes),
    equivalentBits: sum(choice, space.codeBits) / (2 * choice.length),
    bytesPerToken: bytes / space.context,
  };
};

/** Bits a stored number takes in a cache of so many bytes at the context length. */
export const bitsOfBytes = ({ shape, context }: SearchSpace, bytes: number): number =>
  (8 * bytes) / storedNumbers(shape, context);

/** The search's cost of a plan. */
export const searchCost = (space: SearchSpace, choice: readonly number[]): number => sum(choice, space.costs);

const sum = (choice: readonly number[], table: readonly number[]): number =>
  choice.reduce((total, pair) => total + (table[pair] ?? Number.NaN), 0);

/** The layer schemes of a plan given as one pair index a layer. */
export const planLayers = (space: SearchSpace, choice: readonly number[]): LayerScheme[] =>
  choice.map((pair) => space.schemes[pair]).filter((scheme) => scheme !== undefined);

/** Names of pairs given by index. */
export const pairNamesOf = (space: SearchSpace, choice: readonly number[]): string[] =>
  choice.map((pair) => space.pairNames[pair] ?? "");
