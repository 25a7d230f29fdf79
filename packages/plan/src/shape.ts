import { type AttentionSpec, plainAttention, spanOf } from "./attention.ts";
import type { CacheShape, LayerShape } from "./scheme.ts";

/** Sizes of one layer, and how it attends if the shape says so. */
export const layerShape = (
  { layers: _, sharing: _sharing, recurrent: _recurrent, places: _places, perLayer, ...common }: CacheShape,
  layer: number,
): LayerShape => ({
  ...common,
  ...perLayer?.[layer],
});

/** Sizes of every layer, in order. */
export const layerShapes = (shape: CacheShape): LayerShape[] =>
  Array.from({ length: shape.layers }, (_, layer) => layerShape(shape, layer));

/** How one layer attends; {@link plainAttention}, over its span, unless its shape says otherwise. */
export const attentionOf = (shape: CacheShape, layer: number): AttentionSpec => specOf(layerShape(shape, layer));

const specOf = ({ attention, headSize, span }: LayerShape): AttentionSpec => {
  if (attention) return attention;
  const plain = plainAttention(headSize);
  return span === undefined ? plain : { ...plain, mask: { kind: "sliding", span } };
};

/** Sizes of a layer that shares a cache, by its ordinal among them, and how it attends. */
export const sharingShape = (shape: CacheShape, index: number): LayerShape & { readonly attention: AttentionSpec } => {
  const { cacheOf, queryHeads, attention } = shape.sharing![index]!;
  const stored = layerShape(shape, cacheOf);
  return { ...stored, queryHeads, attention: attention ?? specOf(stored) };
};

/** Sizes of a layer's keys, or of its values: `headSize` is that of the tensor. */
export const tensorShape = ({ valueSize, ...shape }: LayerShape, tensor: "key" | "value"): LayerShape => ({
  ...shape,
  headSize: tensor === "key" ? shape.headSize : (valueSize ?? shape.headSize),
});

/** Tokens that a layer's query reads, its own included; Infinity without a span. */
export const layerSpan = ({ attention, span = Infinity }: LayerShape): number => (attention ? spanOf(attention) : span);

/** The sizes in a model's shape, which is what a plan records. Of how layers attend, only spans decide sizes. */
export const sizesOf = (shape: CacheShape): CacheShape => {
  const { perLayer, sharing: _, recurrent: _recurrent, places: _places, ...common } = shape;
  const spans = layerShapes(shape).map((layer) => spanSize(layerSpan(layer)));
  const isEven = spans.every(({ span }) => span === spans[0]?.span);
  const sizes = { ...withoutAttention(common), ...(isEven && spans[0]) };
  const own = perLayer ?? (isEven ? undefined : spans.map(() => ({})));
  const layers = own?.map((layer, index) => ({ ...withoutAttention(layer), ...(!isEven && spans[index]) }));
  return layers?.some((layer) => Object.keys(layer).length > 0) ? { ...sizes, perLayer: layers } : sizes;
};

const spanSize = (span: number): Pick<LayerShape, "span"> => (span === Infinity ? {} : { span });

const withoutAttention = <Sizes extends Partial<LayerShape>>({
  attention: _,
  span: _span,
  ...sizes
}: Sizes): Omit<Sizes, "attention" | "span"> => sizes;

const SIZES = ["queryHeads", "kvHeads", "headSize", "valueSize", "span"] as const;

/** Differences between the sizes in a plan and a model's, in words. Lists single layers only if all else agrees. */
export const shapeDifferences = (plan: CacheShape, model: CacheShape): string[] => {
  const [planned, own] = [sizesOf(plan), sizesOf(model)];
  const common = ["layers" as const, ...SIZES].flatMap((size) => difference(size, planned[size], own[size]));
  if (common.length > 0) return common;
  const layers = Math.max(planned.perLayer?.length ?? 0, own.perLayer?.length ?? 0);
  return Array.from({ length: layers }, (_, layer) => {
    const [one, other] = [layerShape(planned, layer), layerShape(own, layer)];
    return SIZES.flatMap((size) => difference(`layer ${layer}: ${size}`, one[size], other[size]));
  }).flat();
};

const difference = (name: string, plan?: number, model?: number): string[] =>
  plan === model ? [] : [`${name} ${plan ?? "none"} in the plan, ${model ?? "none"} in the model`];
