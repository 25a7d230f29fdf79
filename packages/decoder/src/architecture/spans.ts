import { describeValue, listOf } from "../gguf/describe-value.ts";
import { ModelError } from "./model-error.ts";
import type { ModelKeys } from "./model-keys.ts";

/**
 * Newest tokens that a query of each layer reads, or undefined for all, from `attention.sliding_window` and
 * `attention.sliding_window_pattern`: the layers with that span, as a boolean per layer or a period whose last layer has
 * none.
 *
 * @param defaultPeriod the period of files without a pattern; without it, all layers have the span
 * @throws ModelError `MODEL_METADATA_INVALID`
 */
export const readSpans = (keys: ModelKeys, layers: number, defaultPeriod?: number): (number | undefined)[] => {
  const span = readSpan(keys);
  const isSliding = slidingLayers(keys, layers, defaultPeriod);
  return Array.from({ length: layers }, (_, layer) => (isSliding(layer) ? span : undefined));
};

/** Converters write 0 for no sliding attention. A span of the whole context hides no token. */
const readSpan = (keys: ModelKeys): number | undefined => {
  const key = "attention.sliding_window";
  if (Number(keys.value(key) ?? 0) === 0) return undefined;
  const span = keys.number(key);
  return span < keys.number("context_length") ? span : undefined;
};

const PATTERN = "attention.sliding_window_pattern";

const slidingLayers = (keys: ModelKeys, layers: number, defaultPeriod?: number): ((layer: number) => boolean) => {
  const pattern = keys.value(PATTERN) ?? defaultPeriod;
  if (pattern === undefined) return () => true;
  const list = listOf(pattern);
  if (list?.length === layers) return (layer) => Boolean(list[layer]);
  const period = typeof pattern === "bigint" ? Number(pattern) : pattern;
  if (typeof period === "number" && Number.isInteger(period) && period > 0)
    return (layer) => layer % period < period - 1;
  throw new ModelError(
    "MODEL_METADATA_INVALID",
    `expected ${keys.name(PATTERN)} to be ${layers} values or a period, got ${describeValue(pattern)}; convert the model again`,
  );
};
