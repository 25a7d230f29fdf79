import {
  blockTokens,
  heldBytes,
  layerShape,
  schemeFault,
  tensorShape,
  type Heads,
  type LayerScheme,
  type Plan,
  type TensorScheme,
} from "@kvtuner/plan";

/** A plan as a runtime can store it. */
export interface ExpressedPlan {
  /** By layer, in the plan's order. */
  readonly layers: readonly LayerScheme[];
  /** Names of the types that the layers are stored in, as the runtime spells them. */
  readonly types: readonly string[];
  /** Flags, code, or the contents of a file. */
  readonly text: string;
  /** What the runtime cannot express or does by itself, in sentences. */
  readonly notes: readonly string[];
}

/** Blocks whose bytes are averaged: the last bytes of a row are not always full. */
const BLOCKS = 64;

/** Bits that a coded number of a layer's keys, or values, takes on average over heads, with its share of scales. */
export const storedBits = (scheme: TensorScheme, { kvHeads, headSize }: Heads): number => {
  const coded = BLOCKS * blockTokens(scheme);
  const bytes = heldBytes(scheme, { kvHeads, headSize }, { coded, exact: 0 });
  return (8 * Object.values(bytes).reduce((sum, part) => sum + part, 0)) / (coded * kvHeads * headSize);
};

/** A bit too few costs about as much quality as two bits too many cost memory. */
const TOO_FEW = 2;

const distance = (planned: number, offered: number): number =>
  offered >= planned ? offered - planned : TOO_FEW * (planned - offered);

/** How far a scheme is from what a layer of the plan stores, in bits of keys and of values. */
export const distanceIn = (plan: Plan, layer: number, offered: Pick<LayerScheme, "key" | "value">): number => {
  const own = layerShape(plan.shape, layer);
  return (["key", "value"] as const).reduce((sum, tensor) => {
    const heads = tensorShape(own, tensor);
    return sum + distance(storedBits(plan.layers[layer]![tensor], heads), storedBits(offered[tensor], heads));
  }, 0);
};

/** The same of a scheme for each layer, summed. */
export const distanceOver = (plan: Plan, layers: readonly LayerScheme[]): number =>
  layers.reduce((sum, own, layer) => sum + distanceIn(plan, layer, own), 0);

/** Whether the heads of all layers can be stored so. */
export const fits = ({ shape }: Plan, layers: readonly Pick<LayerScheme, "key" | "value">[]): boolean =>
  layers.every((schemes, layer) =>
    (["key", "value"] as const).every(
      (tensor) => schemeFault(schemes[tensor], tensorShape(layerShape(shape, layer), tensor)) === undefined,
    ),
  );

/** The nearest of some; the first of several. */
export const nearest = <Item>(items: readonly Item[], far: (item: Item) => number): Item =>
  items.reduce((best, item) => (far(item) < far(best) ? item : best));

/** What a plan loses in a runtime with fewer exact tokens and no tables. */
export const lostParts = ({ layers, assets = [] }: Plan, stored: readonly LayerScheme[]): string[] => {
  const exact = ({ residency: { sinks, recent } }: LayerScheme): number => sinks + recent;
  return [
    ...(layers.some((own, layer) => exact(own) > exact(stored[layer]!))
      ? ["First or newest tokens that the plan keeps in 16 bits are coded like all others."]
      : []),
    ...(assets.length > 0 ? ["The plan's static tables are left out."] : []),
  ];
};
