import { cachePlaces, type CacheShape, type LayerScheme } from "@kvtuner/plan";
import { vllm } from "../advice/vllm.ts";
import { everywhere, UNQUANTIZED } from "../runtimes/runtime.ts";
import { valuesOf, wordsOf } from "./command-line.ts";
import { SettingError } from "./setting-error.ts";

const TYPE_FLAG = "--kv-cache-dtype";
const SKIP_FLAG = "--kv-cache-dtype-skip-layers";

/** Flags that set the type of vLLM's cache. */
export const VLLM_FLAGS: readonly string[] = [TYPE_FLAG, SKIP_FLAG];

const SIXTEEN = ["auto", "float16", "bfloat16"];

/**
 * What vLLM stores under these flags; other flags are ignored.
 *
 * @throws SettingError for an unknown type, or skipped layers that have no cache
 */
export const readVllm = (text: string, shape: CacheShape): LayerScheme[] => {
  const words = wordsOf(text);
  const layers = layersOf(valuesOf(words, [TYPE_FLAG])?.[0] ?? "auto", shape);
  const skipped = (valuesOf(words, [SKIP_FLAG]) ?? []).map((place) => layerAt(place, shape));
  return layers.map((scheme, layer) => (skipped.includes(layer) ? UNQUANTIZED : scheme));
};

const layersOf = (type: string, shape: CacheShape): readonly LayerScheme[] => {
  if (SIXTEEN.includes(type)) return everywhere(shape, UNQUANTIZED);
  const settings = vllm.settings({ shape, ranges: [] });
  // Another name of the same type.
  const label = type === "fp8_e4m3" ? "fp8" : type;
  const setting = settings.find((known) => known.label === label);
  if (setting !== undefined) return setting.layers;
  const known = [...SIXTEEN, ...settings.map((each) => each.label)].join(", ");
  throw new SettingError(`expected ${TYPE_FLAG} to be one of ${known}, got ${type}`);
};

/** Layer of the plan at a place in the model. */
const layerAt = (place: string, shape: CacheShape): number => {
  const places = cachePlaces(shape);
  const layer = places.findIndex((known) => String(known) === place);
  if (layer !== -1) return layer;
  throw new SettingError(`expected ${SKIP_FLAG} to be some of the layers ${places.join(", ")}, got ${place}`);
};
