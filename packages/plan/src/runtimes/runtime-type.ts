import { layoutOf, blockTokens, partBytes, schemeFault, type TensorScheme } from "../codecs/registry.ts";
import type { Plan } from "../plan.ts";
import type { LayerShape, Residency } from "../scheme.ts";
import { layerShape } from "../shape.ts";

/** How a runtime stores keys and values under one of its settings. */
export interface RuntimeType {
  /** As the runtime spells it. */
  readonly name: string;
  /** Schemes that store the same numbers. */
  readonly key: TensorScheme;
  readonly value: TensorScheme;
}

/** A plan as a runtime can store it. */
export interface ExpressedPlan {
  /** By layer, in the plan's order. */
  readonly layers: readonly RuntimeLayer[];
  /** Flags, or the contents of a file. */
  readonly text: string;
  /** What the runtime cannot express or does by itself, in sentences. */
  readonly notes: readonly string[];
}

/** One layer of an {@link ExpressedPlan}. */
export interface RuntimeLayer {
  readonly keyType: string;
  readonly valueType: string;
  readonly key: TensorScheme;
  readonly value: TensorScheme;
  readonly residency: Residency;
}

/** All tokens are coded. */
export const NO_EXACT_TOKENS: Residency = { kind: "prefix", sinks: 0, recent: 0 };

/** Blocks whose bytes are averaged: the last bytes of a row are not always full. */
const BLOCKS = 64;

/** Bits that a coded number takes, with its share of scales. */
export const storedBits = (scheme: TensorScheme, { headSize }: Pick<LayerShape, "headSize">): number => {
  const tokens = BLOCKS * blockTokens(scheme);
  const bytes = layoutOf(scheme, { tokens, headSize }).reduce((sum, part) => sum + partBytes(part), 0);
  return (8 * bytes) / (tokens * headSize);
};

/** A bit too few costs about as much quality as two bits too many cost memory. */
const TOO_FEW = 2;

const distance = (planned: number, offered: number): number =>
  offered >= planned ? offered - planned : TOO_FEW * (planned - offered);

/** One tensor of a plan's layers. */
export type Tensor = "key" | "value";

/** How far a type is from what a layer of the plan stores, in bits. */
export const distanceIn = (plan: Plan, layer: number, tensor: Tensor, type: RuntimeType): number => {
  const heads = layerShape(plan.shape, layer);
  return distance(storedBits(plan.layers[layer]![tensor], heads), storedBits(type[tensor], heads));
};

/** The same, summed over all layers. */
export const distanceOverLayers = (plan: Plan, tensor: Tensor, type: RuntimeType): number =>
  plan.layers.reduce((sum, _, layer) => sum + distanceIn(plan, layer, tensor, type), 0);

/** Types that the heads of all layers can be stored in. */
export const fittingTypes = (plan: Plan, types: readonly RuntimeType[]): RuntimeType[] =>
  types.filter((type) =>
    plan.layers.every((_, layer) => {
      const heads = layerShape(plan.shape, layer);
      return schemeFault(type.key, heads) === undefined && schemeFault(type.value, heads) === undefined;
    }),
  );

/** The nearest of some types; the first of several. */
export const nearest = <Type>(types: readonly Type[], far: (type: Type) => number): Type =>
  types.reduce((best, type) => (far(type) < far(best) ? type : best));

/** A layer under one type. */
export const layerOf = ({ name, key, value }: RuntimeType, residency: Residency = NO_EXACT_TOKENS): RuntimeLayer => ({
  keyType: name,
  valueType: name,
  key,
  value,
  residency,
});

/** What a plan loses in a runtime without exact tokens and tables. */
export const lostParts = ({ layers, assets = [] }: Plan): string[] => [
  ...(layers.some(({ residency: { sinks, recent } }) => sinks > 0 || recent > 0)
    ? ["The first and newest tokens, which the plan keeps in 16 bits, are coded like all others."]
    : []),
  ...(assets.length > 0 ? ["The plan's static tables are left out."] : []),
];
