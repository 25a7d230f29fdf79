import { cachePlaces, type CacheShape } from "@kvtuner/plan";
import { fp4Method } from "../methods/fp4.ts";
import { fp8Method } from "../methods/fp8.ts";
import type { Method, StaticSetting } from "../methods/method.ts";
import { turboquantMethod } from "../methods/turboquant.ts";
import { vllmIntMethod } from "../methods/vllm-int.ts";
import { isQuantized, type Runtime, type RuntimeSetting, UNQUANTIZED } from "../runtimes/runtime.ts";

/** Static settings of a method, named as vLLM's types. */
const typesOf = ({ settings }: Method, nameOf: (label: string) => string | undefined): StaticSetting[] =>
  settings.flatMap((setting) => {
    const label = nameOf(setting.label);
    return "layers" in setting && label !== undefined ? [{ ...setting, label }] : [];
  });

/** Types of vLLM's cache that need no other checkpoint. Scales of `fp8` are 1 by default. */
const TYPES: readonly StaticSetting[] = [
  ...typesOf(fp8Method, (label) => label),
  ...typesOf(vllmIntMethod, (label) => label),
  ...typesOf(fp4Method, (label) => (label === "nvfp4" ? label : undefined)),
  ...typesOf(turboquantMethod, (label) => {
    const [, preset] = /^vLLM (\w+)$/.exec(label) ?? [];
    return preset && `turboquant_${preset}`;
  }),
];

/** vLLM's Hadamard transform of 4-bit integers takes heads of powers of two only. */
const isTypeOf = (label: string, { headSize, valueSize = headSize }: CacheShape): boolean =>
  label !== "int4_per_token_head" || [headSize, valueSize].every((size) => Number.isInteger(Math.log2(size)));

/** Shares of the layers to leave in 16 bits. */
const SKIPPED_SHARES = [1 / 16, 1 / 8, 1 / 4, 1 / 2];

/** One type for keys and values of all layers, except those that are skipped. TurboQuant skips two at either end by itself. */
export const vllm: Runtime = {
  name: "vllm",
  source: "https://docs.vllm.ai/en/latest/features/quantization/quantized_kvcache.html",
  limits: "heads of multiples of 16",
  settings: ({ shape }) =>
    TYPES.filter(({ label }) => isTypeOf(label, shape)).map(({ label, layers }) => ({
      label,
      layers: layers(shape),
      paste: `--kv-cache-dtype ${label}`,
    })),
  mixed: (settings, losses, { shape }) =>
    settings.flatMap((setting, index) => {
      const coded = [...setting.layers.keys()].filter((layer) => isQuantized(setting.layers[layer]!));
      return [...new Set(SKIPPED_SHARES.map((share) => Math.round(share * shape.layers)))]
        .filter((count) => count > 0 && count < coded.length)
        .map((count) => skipping(setting, worstLayers(coded, losses[index]!, count), shape));
    }),
};

/** Layers that a label names one by one. */
const MOST_NAMED = 4;

/** Of these layers, those that lose most, ascending. */
const worstLayers = (layers: readonly number[], losses: readonly number[], count: number): number[] =>
  layers
    .toSorted((a, b) => losses[b]! - losses[a]!)
    .slice(0, count)
    .toSorted((a, b) => a - b);

const skipping = ({ label, layers, paste }: RuntimeSetting, skipped: readonly number[], shape: CacheShape) => {
  const places = skipped.map((layer) => cachePlaces(shape)[layer]!);
  return {
    label: `${label}, skip ${places.length > MOST_NAMED ? `${places.length} layers` : places.join(",")}`,
    layers: layers.map((layer, index) => (skipped.includes(index) ? UNQUANTIZED : layer)),
    paste: `${paste} --kv-cache-dtype-skip-layers ${places.join(" ")}`,
  };
};
