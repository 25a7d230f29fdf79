import { describeValue, listOf } from "../gguf/describe-value.ts";
import type { Family } from "./families/family.ts";
import { ModelError } from "./model-error.ts";
import type { ModelKeys } from "./model-keys.ts";

/** How each layer slides. */
interface SlidingLayers {
  /** Whether the file says that it slides, which chooses its RoPE in some families. */
  readonly slides: readonly boolean[];
  /** Newest tokens that a query reads, or undefined for all: a span of the whole context hides no token. */
  readonly spans: readonly (number | undefined)[];
}

/**
 * Reads `attention.sliding_window` and `attention.sliding_window_pattern`: the layers with that span, as a boolean per
 * layer or a period whose last layer has none. Without a pattern or a period of the family, all layers have the span.
 *
 * @throws ModelError `MODEL_METADATA_MISSING`, `MODEL_METADATA_INVALID`
 */
export const readSliding = (
  keys: ModelKeys,
  layers: number,
  { slidingPeriod, needsSlidingPattern = false }: Pick<Family, "slidingPeriod" | "needsSlidingPattern">,
): SlidingLayers => {
  if (needsSlidingPattern) assertPattern(keys);
  const span = readSpan(keys);
  const isSliding = slidingLayers(keys, layers, slidingPeriod);
  const slides = Array.from({ length: layers }, (_, layer) => span !== undefined && isSliding(layer));
  const hiding = span !== undefined && span < keys.number("context_length") ? span : undefined;
  return { slides, spans: slides.map((isSpanned) => (isSpanned ? hiding : undefined)) };
};

/** Converters write 0 for no sliding attention. */
const readSpan = (keys: ModelKeys): number | undefined =>
  Number(keys.value(SPAN) ?? 0) === 0 ? undefined : keys.number(SPAN);

const assertPattern = (keys: ModelKeys): void => {
  for (const key of [SPAN, PATTERN])
    if (keys.value(key) === undefined)
      throw new ModelError(
        "MODEL_METADATA_MISSING",
        `expected ${keys.name(key)} in the model's metadata, which tells its sliding layers from the others, got none; convert the model again`,
      );
};

const SPAN = "attention.sliding_window";
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
