import type { AffineScheme } from "../codecs/affine.ts";
import { blockFormatScheme } from "../codecs/block-format.ts";
import type { Float8Scheme } from "../codecs/float8.ts";
import { FLOAT16 } from "../codecs/float16.ts";
import type { TensorScheme } from "../codecs/registry.ts";
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

const both = (name: string, scheme: TensorScheme): RuntimeType => ({ name, key: scheme, value: scheme });

/** e4m3 with a scale of 1, as without calibrated scales. */
export const FP8: Float8Scheme = { kind: "float8", format: "e4m3", scope: "tensor", scales: [1], blockSize: 1 };

const PER_TOKEN_HEAD: Omit<AffineScheme, "bits" | "format" | "transform"> = {
  kind: "affine",
  axis: "token",
  groupSize: "head",
  blockSize: 1,
};

const SIXTEEN: RuntimeType = both("auto", FLOAT16);

/** Values of `kv_cache_dtype`, apart from its TurboQuant presets. */
export const VLLM_TYPES: readonly RuntimeType[] = [
  SIXTEEN,
  both("fp8", FP8),
  both("fp8_per_token_head", { ...FP8, scope: "token", scales: "dynamic" }),
  both("int8_per_token_head", { ...PER_TOKEN_HEAD, bits: 8, format: "symmetric", transform: "none" }),
  both("int4_per_token_head", { ...PER_TOKEN_HEAD, bits: 4, format: "affine", transform: "hadamard" }),
  both("nvfp4", blockFormatScheme("nvfp4")),
];

/** One type for all layers, of which some can be skipped: these stay in 16 bits. */
export const expressForVllm = (plan: Plan): ExpressedPlan => {
  const far = (layer: number, type: RuntimeType): number =>
    distanceIn(plan, layer, "key", type) + distanceIn(plan, layer, "value", type);
  const nearer = (layer: number, type: RuntimeType): RuntimeType => nearest([type, SIXTEEN], (one) => far(layer, one));
  const type = nearest(fittingTypes(plan, VLLM_TYPES), (one) =>
    plan.layers.reduce((sum, _, layer) => sum + far(layer, nearer(layer, one)), 0),
  );
  const layers = plan.layers.map((_, layer) => nearer(layer, type));
  const places = cachePlaces(plan.shape);
  const skipped = layers.flatMap((own, layer) => (own === SIXTEEN && type !== SIXTEEN ? [places[layer]!] : []));
  return {
    layers: layers.map((own) => layerOf(own)),
    text: `--kv-cache-dtype ${type.name}${skipped.length > 0 ? ` --kv-cache-dtype-skip-layers ${skipped.join(" ")}` : ""}\n`,
    notes: [
      "vLLM has one type for keys and values of all layers; skipped layers stay in 16 bits.",
      ...(type.name === "nvfp4" ? ["nvfp4 needs a Blackwell GPU."] : []),
      ...lostParts(plan),
    ],
  };
};
