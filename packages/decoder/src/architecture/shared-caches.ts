import { ModelError } from "./model-error.ts";
import type { ModelKeys } from "./model-keys.ts";

const KEY = "attention.shared_kv_layers";

/**
 * Reads `attention.shared_kv_layers`, the number of last layers without a cache. Each of them reads the cache of the last
 * layer that has one and slides as it does. Families with recurrent layers have none.
 *
 * @param slides whether each layer slides
 * @param mayBeRecurrent whether layers of the family may be recurrent
 * @returns the layer whose cache each layer reads; its own index for a layer with a cache
 * @throws ModelError `MODEL_METADATA_INVALID`
 */
export const readCacheOf = (keys: ModelKeys, slides: readonly boolean[], mayBeRecurrent: boolean): number[] => {
  const owners = slides.length - readCount(keys, slides.length, mayBeRecurrent);
  return slides.map((isSliding, layer) => {
    if (layer < owners) return layer;
    const stored = slides.lastIndexOf(isSliding, owners - 1);
    if (stored >= 0) return stored;
    throw invalid(
      keys,
      `to leave a cache for ${isSliding ? "sliding" : "full"} layers, of which blk.${layer} is one`,
      slides.length - owners,
    );
  });
};

/** Converters write 0 for none. */
const readCount = (keys: ModelKeys, layers: number, mayBeRecurrent: boolean): number => {
  if (Number(keys.value(KEY) ?? 0) === 0) return 0;
  const count = keys.number(KEY);
  if (mayBeRecurrent) throw invalid(keys, "to be 0 in a family with recurrent layers", count);
  if (Number.isSafeInteger(count) && count < layers) return count;
  throw invalid(keys, `to be a whole number below the ${layers} layers`, count);
};

const invalid = (keys: ModelKeys, what: string, count: number): ModelError =>
  new ModelError("MODEL_METADATA_INVALID", `expected ${keys.name(KEY)} ${what}, got ${count}; convert the model again`);
