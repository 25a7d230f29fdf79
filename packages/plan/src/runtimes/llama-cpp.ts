import { blockFormatScheme } from "../codecs/block-format.ts";
import { FLOAT16 } from "../codecs/float16.ts";
import type { Plan } from "../plan.ts";
import {
  distanceOverLayers,
  fittingTypes,
  lostParts,
  nearest,
  NO_EXACT_TOKENS,
  type ExpressedPlan,
  type RuntimeType,
} from "./runtime-type.ts";

const ggml = (name: "q8_0" | "q5_1" | "q5_0" | "q4_1" | "q4_0" | "iq4_nl"): RuntimeType => ({
  name,
  key: blockFormatScheme(name, { rotation: "keys" }),
  value: blockFormatScheme(name, { rotation: "values" }),
});

/** Types of `-ctk` and `-ctv`. */
export const LLAMA_CPP_TYPES: readonly RuntimeType[] = [
  { name: "f16", key: FLOAT16, value: FLOAT16 },
  ...(["q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"] as const).map(ggml),
];

/** One type for the keys of all layers and one for the values: llama.cpp has no setting per layer. */
export const expressForLlamaCpp = (plan: Plan): ExpressedPlan => {
  const types = fittingTypes(plan, LLAMA_CPP_TYPES);
  const [key, value] = (["key", "value"] as const).map((tensor) =>
    nearest(types, (type) => distanceOverLayers(plan, tensor, type)),
  );
  const layer = {
    keyType: key!.name,
    valueType: value!.name,
    key: key!.key,
    value: value!.value,
    residency: NO_EXACT_TOKENS,
  };
  return {
    layers: plan.layers.map(() => layer),
    text: `-ctk ${key!.name} -ctv ${value!.name}${value!.name === "f16" ? "" : " -fa on"}\n`,
    notes: ["llama.cpp has one type for all layers.", ...lostParts(plan)],
  };
};
