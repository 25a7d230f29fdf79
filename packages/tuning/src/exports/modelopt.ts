import { blockFormatScheme, cachePlaces, type LayerScheme, type Plan, type SchemeOf } from "@kvtuner/plan";
import { coded, UNQUANTIZED } from "../runtimes/runtime.ts";
import { distanceIn, fits, lostParts, nearest, type ExpressedPlan } from "./expressed-plan.ts";

const FP8: SchemeOf<"float8"> = { kind: "float8", format: "e4m3", scope: "tensor", scales: [1], blockSize: 1 };
const NVFP4 = blockFormatScheme("nvfp4");

interface LayerType {
  /** `quant_algo` of a layer's cache. */
  readonly name: string;
  readonly scheme: LayerScheme;
  /** Whether keys and values differ, which takes heads of one size for both. */
  readonly isMixed?: true;
}

const SIXTEEN: LayerType = { name: "none", scheme: UNQUANTIZED };

/** Types that a layer can have, the most exact first. */
export const MODELOPT_TYPES: readonly LayerType[] = [
  SIXTEEN,
  { name: "FP8", scheme: coded(FP8, FP8) },
  { name: "FP8_K_NVFP4_V", scheme: coded(FP8, NVFP4), isMixed: true },
  { name: "NVFP4", scheme: coded(NVFP4, NVFP4) },
];

/** Readers of the format refuse another name. */
const PRODUCER = { name: "modelopt", version: "written by kvtuner" };

/** A type for each layer: the `hf_quant_config.json` of a checkpoint whose weights are not quantized. */
export const expressForModelOpt = (plan: Plan): ExpressedPlan => {
  const { headSize, valueSize = headSize } = plan.shape;
  const types = MODELOPT_TYPES.filter(
    ({ scheme, isMixed }) =>
      !(isMixed === true && valueSize !== headSize) &&
      fits(
        plan,
        plan.layers.map(() => scheme),
      ),
  );
  const chosen = plan.layers.map((_, layer) => nearest(types, ({ scheme }) => distanceIn(plan, layer, scheme)));
  const places = cachePlaces(plan.shape);
  const quantized = chosen.flatMap((type, layer) => (type === SIXTEEN ? [] : [{ type, place: places[layer]! }]));
  const names = new Set(quantized.map(({ type }) => type.name));
  const map = Object.fromEntries(
    quantized.map(({ type, place }) => [`model.layers.${place}.self_attn`, { quant_algo: type.name }]),
  );
  const quantization = {
    quant_algo: null,
    kv_cache_quant_algo: names.size > 1 ? "MIXED_PRECISION" : ([...names][0] ?? null),
    ...(names.size > 0 && { kv_cache_quantized_layers: map, kv_cache_schema_version: 1 }),
  };
  const layers = chosen.map(({ scheme }) => scheme);
  return {
    layers,
    types: chosen.map(({ name }) => name),
    text: `${JSON.stringify({ producer: PRODUCER, quantization }, null, 2)}\n`,
    notes: [
      "Layers are named model.layers.N.self_attn, as in Llama, Qwen, Mistral and Gemma; layers that are left out stay in 16 bits.",
      "ModelOpt calibrates the scales; here they are 1.",
      ...lostParts(plan, layers),
    ],
  };
};
