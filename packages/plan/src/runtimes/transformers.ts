import { blockFormatScheme } from "../codecs/block-format.ts";
import { FLOAT16 } from "../codecs/float16.ts";
import type { Plan } from "../plan.ts";
import type { Residency } from "../scheme.ts";
import {
  distanceOverLayers,
  fittingTypes,
  layerOf,
  lostParts,
  nearest,
  NO_EXACT_TOKENS,
  type ExpressedPlan,
  type RuntimeType,
} from "./runtime-type.ts";

/** Tokens that collect in 16 bits before they are coded together. */
const RESIDUAL_LENGTH = 128;

interface TransformersType extends RuntimeType {
  /** `cache_config` of a quantized cache; undefined for the 16-bit one. */
  readonly config?: object;
}

const quantized = (
  name: "quanto2" | "quanto4" | "hqq4",
  backend: string,
  nbits: number,
  axis: number,
): TransformersType => {
  const scheme = blockFormatScheme(name);
  const config = {
    backend,
    nbits,
    axis_key: axis,
    axis_value: axis,
    q_group_size: 64,
    residual_length: RESIDUAL_LENGTH,
  };
  return { name, key: scheme, value: scheme, config };
};

const TYPES: readonly TransformersType[] = [
  { name: "float16", key: FLOAT16, value: FLOAT16 },
  quantized("quanto4", "quanto", 4, 0),
  quantized("quanto2", "quanto", 2, 0),
  quantized("hqq4", "hqq", 4, 1),
];

/** One number of bits for keys and values of all layers. */
export const expressForTransformers = (plan: Plan): ExpressedPlan => {
  const type = nearest(
    fittingTypes(plan, TYPES) as TransformersType[],
    (one) => distanceOverLayers(plan, "key", one) + distanceOverLayers(plan, "value", one),
  );
  const residency: Residency = type.config ? { kind: "prefix", sinks: 0, recent: RESIDUAL_LENGTH } : NO_EXACT_TOKENS;
  const config = type.config ? { cache_implementation: "quantized", cache_config: type.config } : {};
  return {
    layers: plan.layers.map(() => layerOf(type, residency)),
    text: `${JSON.stringify(config, null, 2)}\n`,
    notes: [
      "Arguments of generate(). transformers has one number of bits for keys and values of all layers.",
      `It keeps up to ${RESIDUAL_LENGTH} of the newest tokens in 16 bits, and codes those of the prompt at once.`,
      ...lostParts({
        ...plan,
        layers: plan.layers.map((layer) => ({ ...layer, residency: { ...layer.residency, recent: 0 } })),
      }),
    ],
  };
};
