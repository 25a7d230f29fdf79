import { cachePlaces, type CacheShape, type LayerScheme } from "@kvtuner/plan";
import { z } from "zod";
import { MODELOPT_TYPES } from "../exports/modelopt.ts";
import { UNQUANTIZED } from "../runtimes/runtime.ts";
import { SettingError } from "./setting-error.ts";

const MIXED = "MIXED_PRECISION";

const file = z.object({
  quantization: z.object({
    kv_cache_quant_algo: z.string().nullable().optional(),
    kv_cache_quantized_layers: z.record(z.string(), z.object({ quant_algo: z.string() })).optional(),
  }),
});

/**
 * What a checkpoint with this `hf_quant_config.json` stores. With a map of layers, those that it leaves out stay in 16 bits;
 * without, all layers have one type. Scales are 1: those of the checkpoint are not in this file.
 *
 * @throws SettingError for text in another form, unknown types, or layers that have no cache
 */
export const readModelOpt = (text: string, shape: CacheShape): LayerScheme[] => {
  const { kv_cache_quant_algo: all = null, kv_cache_quantized_layers: map } = parsed(text);
  const places = cachePlaces(shape);
  if (map === undefined) return places.map(() => (all === null ? UNQUANTIZED : typeNamed(all)));
  const layers = places.map(() => UNQUANTIZED);
  for (const [name, { quant_algo: type }] of Object.entries(map)) layers[layerNamed(name, places)] = typeNamed(type);
  return layers;
};

const parsed = (text: string): z.infer<typeof file>["quantization"] => {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (cause) {
    throw new SettingError(`expected ModelOpt's settings in JSON: ${String(cause)}`, { cause });
  }
  const result = file.safeParse(data);
  if (result.success) return result.data.quantization;
  const { path, message } = result.error.issues[0]!;
  throw new SettingError(`expected ModelOpt's hf_quant_config.json; at ${path.join(".") || "the top"}: ${message}`);
};

const typeNamed = (name: string): LayerScheme => {
  const type = MODELOPT_TYPES.find((known) => known.name === name);
  if (type !== undefined) return type.scheme;
  const known = MODELOPT_TYPES.map((each) => each.name).join(", ");
  const hint = name === MIXED ? " without kv_cache_quantized_layers; add that map" : "";
  throw new SettingError(`expected a cache of ${known}, got ${name}${hint}`);
};

const layerNamed = (name: string, places: readonly number[]): number => {
  const place = /(?:^|\.)layers\.(\d+)\./.exec(name)?.[1];
  const layer = places.indexOf(Number(place));
  if (layer !== -1) return layer;
  throw new SettingError(`expected names with layers.N. of the layers ${places.join(", ")}, got ${name}`);
};
