import { blockFormatScheme, cachePlaces, type CacheShape, type SchemeOf, type TensorScheme } from "@kvtuner/plan";
import { coded, everywhere, type Runtime, type RuntimeSetting, UNQUANTIZED } from "./runtime.ts";

const float8 = (fields: Pick<SchemeOf<"float8">, "format" | "scope" | "scales">): TensorScheme => ({
  kind: "float8",
  blockSize: 1,
  ...fields,
});

/** Types of vLLM's cache that need no other checkpoint, with its default scales of 1. */
const TYPES: Readonly<Record<string, TensorScheme>> = {
  fp8: float8({ format: "e4m3", scope: "tensor", scales: [1] }),
  fp8_e5m2: float8({ format: "e5m2", scope: "tensor", scales: [1] }),
  fp8_per_token_head: float8({ format: "e4m3", scope: "token", scales: "dynamic" }),
  nvfp4: blockFormatScheme("nvfp4"),
};

/** Shares of the layers to leave in 16 bits. */
const SKIPPED_SHARES = [1 / 16, 1 / 8, 1 / 4, 1 / 2];

/** One type for keys and values of all layers, except those that are skipped. */
export const vllm: Runtime = {
  name: "vllm",
  source: "https://docs.vllm.ai/en/latest/features/quantization/quantized_kvcache.html",
  limits: "heads of multiples of 16",
  settings: ({ shape }) =>
    Object.entries(TYPES).map(([type, scheme]) => ({
      label: type,
      layers: everywhere(shape, coded(scheme, scheme)),
      paste: `--kv-cache-dtype ${type}`,
    })),
  mixed: (settings, losses, { shape }) =>
    settings.flatMap((setting, index) =>
      [...new Set(SKIPPED_SHARES.map((share) => Math.round(share * shape.layers)))]
        .filter((count) => count > 0 && count < shape.layers)
        .map((count) => skipping(setting, worstLayers(losses[index]!, count), shape)),
    ),
};

/** The layers that lose most, ascending. */
const worstLayers = (losses: readonly number[], count: number): number[] =>
  [...losses.keys()]
    .toSorted((a, b) => losses[b]! - losses[a]!)
    .slice(0, count)
    .toSorted((a, b) => a - b);

const skipping = ({ label, layers, paste }: RuntimeSetting, skipped: readonly number[], shape: CacheShape) => {
  const places = skipped.map((layer) => cachePlaces(shape)[layer]!);
  return {
    label: `${label}, skip ${places.join(",")}`,
    layers: layers.map((layer, index) => (skipped.includes(index) ? UNQUANTIZED : layer)),
    paste: `${paste} --kv-cache-dtype-skip-layers ${places.join(" ")}`,
  };
};
