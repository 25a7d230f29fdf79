import { blockFormatScheme } from "../codecs/block-format.ts";
import { FLOAT16 } from "../codecs/float16.ts";
import type { Plan } from "../plan.ts";
import { cachePlaces } from "../recurrent.ts";
import {
  distanceIn,
  fittingTypes,
  layerOf,
  lostParts,
  nearest,
  type ExpressedPlan,
  type RuntimeType,
} from "./runtime-type.ts";
import { FP8 } from "./vllm.ts";

const NVFP4 = blockFormatScheme("nvfp4");

const SIXTEEN: RuntimeType = { name: "none", key: FLOAT16, value: FLOAT16 };

/** Values of `quant_algo` of a layer's cache. */
const TYPES: readonly RuntimeType[] = [
  SIXTEEN,
  { name: "FP8", key: FP8, value: FP8 },
  { name: "FP8_K_NVFP4_V", key: FP8, value: NVFP4 },
  { name: "NVFP4", key: NVFP4, value: NVFP4 },
];

/** A type for each layer: the `hf_quant_config.json` of a checkpoint whose weights are not quantized. */
export const expressForModelOpt = (plan: Plan): ExpressedPlan => {
  const types = fittingTypes(plan, TYPES);
  const layers = plan.layers.map((_, layer) =>
    nearest(types, (type) => distanceIn(plan, layer, "key", type) + distanceIn(plan, layer, "value", type)),
  );
  const places = cachePlaces(plan.shape);
  const coded = layers.flatMap((type, layer) => (type === SIXTEEN ? [] : [{ type, place: places[layer]! }]));
  const names = new Set(coded.map(({ type }) => type.name));
  const quantization = {
    quant_algo: null,
    kv_cache_quant_algo: names.size > 1 ? "MIXED_PRECISION" : ([...names][0] ?? null),
    kv_cache_quantized_layers: Object.fromEntries(
      coded.map(({ type, place }) => [`model.layers.${place}.self_attn`, { quant_algo: type.name }]),
    ),
    kv_cache_schema_version: 1,
  };
  return {
    layers: layers.map((type) => layerOf(type)),
    text: `${JSON.stringify({ producer: { name: "kvtuner" }, quantization }, null, 2)}\n`,
    notes: [
      "Layers are named model.layers.N.self_attn, as in Llama, Qwen, Mistral and Gemma; layers that are left out stay in 16 bits.",
      "ModelOpt calibrates the scales; here they are 1.",
      ...lostParts(plan),
    ],
  };
};
