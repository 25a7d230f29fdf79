import { describeValue } from "../gguf/describe-value.ts";
import type { FamilySizes } from "./families/family.ts";
import { ModelError } from "./model-error.ts";
import type { ModelKeys } from "./model-keys.ts";
import type { RopeConfig } from "./rope.ts";

/** Keys that are supported, or have no effect. */
const KNOWN_KEYS = [
  "freq_base",
  "freq_base_swa",
  "dimension_count",
  "scaling.type",
  "scaling.factor",
  "scale_linear",
  "scaling.original_context_length",
  "scaling.finetuned",
];

/**
 * The same RoPE in all layers: plain, with linear scaling, or with Llama 3's tensor of factors.
 *
 * @throws ModelError `MODEL_ROPE_UNSUPPORTED` for another type of scaling, and for unsupported keys
 */
export const commonRope = (
  keys: ModelKeys,
  { layers, headSize }: Pick<FamilySizes, "layers" | "headSize">,
): RopeConfig => {
  assertKnownKeys(keys);
  const dimensions = keys.number("rope.dimension_count", headSize);
  if (dimensions > headSize || dimensions % 2 !== 0)
    throw new ModelError(
      "MODEL_METADATA_INVALID",
      `expected an even rope.dimension_count up to the head size ${headSize}, got ${dimensions}; convert the model again`,
    );
  const spec = {
    base: keys.number("rope.freq_base", 10_000),
    dimensions,
    linearFactor: readLinearFactor(keys),
    factorsTensor: "rope_freqs.weight",
  };
  return { tables: [spec], tableOf: Array.from({ length: layers }, () => 0) };
};

/** Gives layers with a span a table of their own, without scaling. */
export const slidingRope = (common: RopeConfig, { spans }: Pick<FamilySizes, "spans">, base: number): RopeConfig => {
  const { dimensions } = common.tables[0]!;
  return {
    tables: [...common.tables, { base, dimensions, linearFactor: 1 }],
    tableOf: spans.map((span) => (span === undefined ? 0 : 1)),
  };
};

/** As in llama.cpp, a factor without a type is linear, and `scale_linear` is its old name. */
const readLinearFactor = (keys: ModelKeys): number => {
  const type = keys.value("rope.scaling.type");
  if (type === "none") return 1;
  if (type !== undefined && type !== "linear")
    throw new ModelError(
      "MODEL_ROPE_UNSUPPORTED",
      `expected ${keys.name("rope.scaling.type")} to be none or linear (Llama 3 files carry a rope_freqs tensor instead), got ${describeValue(type)}; use a model without it`,
    );
  const [key, old] = ["rope.scaling.factor", "rope.scale_linear"] as const;
  if (keys.has(old) && !keys.has(key)) return factorAt(keys, old);
  return keys.has(key) || type === "linear" ? factorAt(keys, key) : 1;
};

/** Converters write 0 for no scaling. */
const factorAt = (keys: ModelKeys, key: string): number => (keys.value(key) === 0 ? 1 : keys.number(key));

const assertKnownKeys = (keys: ModelKeys): void => {
  const unknown = keys.startingWith("rope.").find((key) => !KNOWN_KEYS.includes(key.slice("rope.".length)));
  // With an unsupported type, its extra keys are not the problem to report.
  if (unknown === undefined || hasOtherType(keys)) return;
  throw new ModelError(
    "MODEL_ROPE_UNSUPPORTED",
    `expected only these RoPE keys: ${KNOWN_KEYS.join(", ")}; got ${keys.name(unknown)}, without which outputs would be wrong; use another model`,
  );
};

const hasOtherType = (keys: ModelKeys): boolean =>
  !["none", "linear", undefined].includes(keys.value("rope.scaling.type") as string | undefined);
