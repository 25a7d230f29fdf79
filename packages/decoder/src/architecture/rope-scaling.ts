import { describeValue } from "../gguf/describe-value.ts";
import type { FamilySizes } from "./families/family.ts";
import { ModelError } from "./model-error.ts";
import type { ModelKeys } from "./model-keys.ts";
import type { RopeConfig } from "./rope.ts";
import { readYarn, YARN_KEYS, yarnMagnitude } from "./yarn.ts";

/** Keys that are supported, or have no effect. */
const KNOWN_KEYS = [
  "freq_base",
  "freq_base_swa",
  "dimension_count",
  // Of positions in images; all are equal in text.
  "dimension_sections",
  "scaling.type",
  "scaling.factor",
  "scale_linear",
  "scaling.attn_factor",
  "scaling.original_context_length",
  "scaling.finetuned",
];

const SCALING_TYPES = ["none", "linear", "yarn", "longrope"] as const;
type ScalingType = (typeof SCALING_TYPES)[number];

/** What families with the same RoPE in all layers differ in. */
interface RopeOptions {
  /** Whether YaRN's ramp starts and ends at whole indexes; true by default. */
  readonly isYarnRampWhole?: boolean;
  /** Whether the family has tensors of factors, as the type `longrope` wants; false by default. */
  readonly hasFactorTensors?: boolean;
  /** Keys below `rope.` that only this family reads; none by default. */
  readonly ownKeys?: readonly string[];
}

/**
 * The same RoPE in all layers: plain, with linear scaling, YaRN, or Llama 3's tensor of factors.
 *
 * @throws ModelError `MODEL_ROPE_UNSUPPORTED` for another type of scaling, and for unsupported keys
 */
export const commonRope = (
  keys: ModelKeys,
  { layers, headSize }: Pick<FamilySizes, "layers" | "headSize">,
  { isYarnRampWhole = true, hasFactorTensors = false, ownKeys = [] }: RopeOptions = {},
): RopeConfig => {
  const type = readType(keys, hasFactorTensors);
  assertKnownKeys(keys, type, ownKeys);
  const dimensions = readDimensions(keys, "rope.dimension_count", headSize);
  const base = keys.number("rope.freq_base", 10_000);
  const linearFactor = readLinearFactor(keys, type);
  const isYarn = type === "yarn";
  const spec = {
    base,
    dimensions,
    linearFactor,
    ...(isYarn && { yarn: readYarn(keys, { base, dimensions, isRampWhole: isYarnRampWhole }) }),
    magnitude: keys.number("rope.scaling.attn_factor", 1) * (isYarn ? yarnMagnitude(keys, linearFactor) : 1),
    factorsTensor: "rope_freqs.weight",
  };
  return { tables: [spec], tableOf: Array.from({ length: layers }, () => 0) };
};

/**
 * Channels of a head that RoPE rotates, all by default.
 *
 * @throws ModelError `MODEL_METADATA_INVALID`
 */
export const readDimensions = (keys: ModelKeys, key: string, headSize: number): number => {
  const dimensions = keys.number(key, headSize);
  if (dimensions <= headSize && dimensions % 2 === 0) return dimensions;
  throw new ModelError(
    "MODEL_METADATA_INVALID",
    `expected an even ${key} up to the head size ${headSize}, got ${dimensions}; convert the model again`,
  );
};

/** Gives layers that slide a table of their own, without scaling. */
export const slidingRope = (
  common: RopeConfig,
  { slides }: Pick<FamilySizes, "slides">,
  base: number,
  dimensions: number = common.tables[0]!.dimensions,
): RopeConfig => ({
  tables: [...common.tables, { base, dimensions, linearFactor: 1, magnitude: 1 }],
  tableOf: slides.map((isSliding) => (isSliding ? 1 : 0)),
});

/** As in llama.cpp, a factor without a type is linear. */
const readType = (keys: ModelKeys, hasFactorTensors: boolean): ScalingType => {
  const value = keys.value("rope.scaling.type") ?? "linear";
  const types = SCALING_TYPES.filter((known) => known !== "longrope" || hasFactorTensors);
  const type = types.find((known) => known === value);
  if (type) return type;
  throw new ModelError(
    "MODEL_ROPE_UNSUPPORTED",
    `expected ${keys.name("rope.scaling.type")} to be one of ${types.join(", ")} (Llama 3 files carry a rope_freqs tensor instead), got ${describeValue(value)}; use a model without it`,
  );
};

/** `scale_linear` is the old name of the factor. */
const readLinearFactor = (keys: ModelKeys, type: ScalingType): number => {
  if (type === "none") return 1;
  const [key, old] = ["rope.scaling.factor", "rope.scale_linear"] as const;
  if (keys.has(old) && !keys.has(key)) return factorAt(keys, old);
  const needsFactor = type !== "longrope" && keys.has("rope.scaling.type");
  return keys.has(key) || needsFactor ? factorAt(keys, key) : 1;
};

/** Converters write 0 for no scaling. */
const factorAt = (keys: ModelKeys, key: string): number => (keys.value(key) === 0 ? 1 : keys.number(key));

const assertKnownKeys = (keys: ModelKeys, type: ScalingType, ownKeys: readonly string[]): void => {
  const known = [...KNOWN_KEYS, ...ownKeys, ...(type === "yarn" ? YARN_KEYS : [])];
  const unknown = keys.startingWith("rope.").find((key) => !known.includes(key.slice("rope.".length)));
  if (unknown === undefined) return;
  throw new ModelError(
    "MODEL_ROPE_UNSUPPORTED",
    `expected only these RoPE keys: ${known.join(", ")}; got ${keys.name(unknown)}, without which outputs would be wrong; use another model`,
  );
};
