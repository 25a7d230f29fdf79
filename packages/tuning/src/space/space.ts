import {
  type Asset,
  bitsOf,
  formatPair,
  formatShorthand,
  layerBytes,
  layerScheme,
  layerShape,
  pairOf,
  storedNumbers,
  type CacheShape,
  type LayerScheme,
  type Mode,
  type Pair,
} from "@kvtuner/plan";
import { z } from "zod";
import type { Stored } from "../storage/storage.ts";

/** Costs that a search can minimize: bytes stored at the context length, or the paper's bits of codes alone. */
export const COSTS = ["true", "equivalent"] as const;

/** One of {@link COSTS}. */
export type CostKind = (typeof COSTS)[number];

/** One way to store a layer. */
export interface Choice {
  /** Names the choice in study records: the shorthand of its scheme, such as `kivi:K8V4+sinks4`. */
  readonly id: string;
  /** Names the choice for people: its pair, such as `K8V4`, or what tells choices of the same pair apart, at most the id. */
  readonly label: string;
  readonly scheme: LayerScheme;
  /** The scheme of each layer where layers have tables of their own; `scheme` in all layers by default. */
  readonly layers?: readonly LayerScheme[];
  /** Names the two halves in study records, shorthand by default. Choices that share a half name it alike. */
  readonly halves?: { readonly key: string; readonly value: string };
}

/** The scheme of a choice in a layer. */
export const schemeAt = ({ scheme, layers }: Pick<Choice, "scheme" | "layers">, layer: number): LayerScheme =>
  layers?.[layer] ?? scheme;

/** Whole numbers `[layer][choice]`. */
export type CostTable = readonly (readonly number[])[];

/** The choices of every layer and their cost in each layer. A plan of the space is a list of choice indices, one per layer. */
export interface SearchSpace {
  readonly shape: CacheShape;
  /** Tokens at which bytes are counted. */
  readonly context: number;
  readonly cost: CostKind;
  readonly choices: readonly Choice[];
  /** Static tables that the schemes name. */
  readonly assets?: readonly Asset[];
  /** Bytes at the context length. */
  readonly bytes: CostTable;
  /** Key bits plus value bits. */
  readonly codeBits: CostTable;
  /** The cost that the search minimizes: one of the two tables above. */
  readonly costs: CostTable;
}

/** Options that make a {@link SearchSpace}. */
export interface SpaceOptions {
  /** The mode of all choices, or of the tokens in 16 bits if there are `codecs`. */
  readonly mode: Mode;
  /** Modes to mix: keys are stored as in any of them and values as in any. */
  readonly codecs?: readonly Mode[];
  readonly pairs: readonly Pair[];
  readonly context: number;
  readonly cost: CostKind;
  readonly sinks?: number;
  readonly recent?: number;
}

/** Names layer schemes. No two of them may be equal. */
export const namedChoices = (schemes: readonly LayerScheme[]): Choice[] => {
  const ids = schemes.map(choiceId);
  const names = [schemes.map((scheme) => formatPair(pairOf(scheme))), ids.map((id) => id.replace(/\+.*/, "")), ids];
  const isUnique = (name: string, all: readonly string[]): boolean => all.indexOf(name) === all.lastIndexOf(name);
  const labelOf = (index: number): string =>
    names.map((all) => isUnique(all[index]!, all) && all[index]!).find((name) => name !== false) || ids[index]!;
  return schemes.map((scheme, index) => ({ id: ids[index]!, label: labelOf(index), scheme }));
};

/** Id of the choice that stores a layer by this scheme. */
export const choiceId = (scheme: LayerScheme): string => formatShorthand(scheme) ?? JSON.stringify(scheme);

/** The choices of a study, with their costs: pairs of one mode, or of the keys and values of several. */
export const searchSpace = (shape: CacheShape, options: SpaceOptions): SearchSpace => {
  const { mode, codecs = [mode], pairs } = options;
  const exact = exactTokens(options);
  const schemes = codecs.flatMap((keys) =>
    codecs.flatMap((values) => pairs.map((pair) => layerScheme(`${keys}/${values}`, pair, exact))),
  );
  return pricedSpace(shape, namedChoices(distinct(schemes)), options);
};

/** First and newest tokens that the pairs of modes keep in 16 bits. */
export const exactTokens = ({
  mode,
  sinks,
  recent,
}: Pick<SpaceOptions, "mode" | "sinks" | "recent">): { readonly sinks: number; readonly recent: number } => {
  const { residency } = layerScheme(mode, EIGHT_BITS);
  return { sinks: sinks ?? residency.sinks, recent: recent ?? residency.recent };
};

const EIGHT_BITS: Pair = { key: 8, value: 8 };

/** Modes share layouts, and 16 bits are the same in all. */
const distinct = (schemes: readonly LayerScheme[]): LayerScheme[] => [
  ...new Map(schemes.map((scheme) => [JSON.stringify(scheme), scheme])).values(),
];

/** Choices with their costs: `context` in tokens. */
export const pricedSpace = (
  shape: CacheShape,
  choices: readonly Choice[],
  { context, cost }: Pick<SpaceOptions, "context" | "cost">,
): SearchSpace => {
  const table = (costOf: (scheme: LayerScheme, layer: number) => number): CostTable =>
    Array.from({ length: shape.layers }, (_, layer) => choices.map((choice) => costOf(schemeAt(choice, layer), layer)));
  const bytes = table((scheme, layer) => layerBytes(scheme, layerShape(shape, layer), context).total);
  const codeBits = table(({ key, value }) => bitsOf(key) + bitsOf(value));
  return { shape, context, cost, choices, bytes, codeBits, costs: cost === "true" ? bytes : codeBits };
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

/** Prices a plan. */
export const planCost = (space: SearchSpace, plan: readonly number[]): PlanCost => {
  const bytes = sum(plan, space.bytes);
  return {
    bytes,
    bits: bitsOfBytes(space, bytes),
    equivalentBits: sum(plan, space.codeBits) / (2 * plan.length),
    bytesPerToken: bytes / space.context,
  };
};

/** Bits per stored number in a cache of this size at the context length. */
export const bitsOfBytes = ({ shape, context }: SearchSpace, bytes: number): number =>
  (8 * bytes) / storedNumbers(shape, context);

/** The search's cost of a plan. */
export const searchCost = (space: SearchSpace, plan: readonly number[]): number => sum(plan, space.costs);

const sum = (plan: readonly number[], table: CostTable): number =>
  plan.reduce((total, choice, layer) => total + (table[layer]?.[choice] ?? Number.NaN), 0);

/** The plan that costs least. */
export const cheapestPlan = (table: CostTable): number[] => table.map((costs) => costs.indexOf(Math.min(...costs)));

/** The plan that costs most. */
export const dearestPlan = (table: CostTable): number[] => table.map((costs) => costs.indexOf(Math.max(...costs)));

/** The plan with one choice in every layer. */
export const uniformPlan = ({ shape }: Pick<SearchSpace, "shape">, choice: number): number[] =>
  Array<number>(shape.layers).fill(choice);

/** The layer schemes of a plan. */
export const planLayers = ({ choices }: SearchSpace, plan: readonly number[]): LayerScheme[] =>
  plan.flatMap((choice, layer) => (choices[choice] ? schemeAt(choices[choice], layer) : []));

/** Schema of a plan in study records: the id of each layer's choice. */
export const planIdsSchema = ({ shape, choices }: Pick<SearchSpace, "shape" | "choices">) =>
  z.array(z.enum(choices.map(({ id }) => id))).length(shape.layers);

/** Ids of a plan's choices. */
export const idsOf = ({ choices }: SearchSpace, plan: readonly number[]): string[] =>
  plan.map((choice) => choices[choice]?.id ?? "");

/** The plan of these ids; -1 for an id that the space lacks. */
export const planOfIds = ({ choices }: SearchSpace, ids: readonly string[]): number[] =>
  ids.map((name) => choices.findIndex(({ id }) => id === name));

/** Labels of the choices with these ids; the id itself for one that the space lacks. */
export const labelsOf = ({ choices }: Pick<SearchSpace, "choices">, ids: readonly string[]): string[] =>
  ids.map((name) => choices.find(({ id }) => id === name)?.label ?? name);
