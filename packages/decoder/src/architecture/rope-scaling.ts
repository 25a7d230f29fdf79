import { describeValue } from "../gguf/describe-value.ts";
import { type Metadata, positiveNumber } from "./metadata-fields.ts";
import { ModelError } from "./model-error.ts";

/** Keys that are supported, or have no effect. */
const KNOWN_KEYS = [
  "freq_base",
  "dimension_count",
  "scaling.type",
  "scaling.factor",
  "scale_linear",
  "scaling.original_context_length",
  "scaling.finetuned",
];

/**
 * Divisor of every position. As in llama.cpp, a factor without a type is linear, and `scale_linear` is its old name.
 *
 * @throws ModelError `MODEL_ROPE_UNSUPPORTED` for another type, and for unsupported keys of RoPE
 */
export const readLinearFactor = (metadata: Metadata, architecture: string): number => {
  assertKnownKeys(metadata, `${architecture}.rope.`);
  const type = metadata.get(`${architecture}.rope.scaling.type`);
  if (type === "none") return 1;
  if (type !== undefined && type !== "linear")
    throw new ModelError(
      "MODEL_ROPE_UNSUPPORTED",
      `expected ${architecture}.rope.scaling.type to be none or linear (Llama 3 files carry a rope_freqs tensor instead), got ${describeValue(type)}; use a model without it`,
    );
  const [key, old] = ["scaling.factor", "scale_linear"].map((name) => `${architecture}.rope.${name}`) as [
    string,
    string,
  ];
  if (metadata.has(old) && !metadata.has(key)) return factorAt(metadata, old);
  return metadata.has(key) || type === "linear" ? factorAt(metadata, key) : 1;
};

/** Converters write 0 for no scaling. */
const factorAt = (metadata: Metadata, key: string): number =>
  metadata.get(key) === 0 ? 1 : positiveNumber(metadata, key);

const assertKnownKeys = (metadata: Metadata, prefix: string): void => {
  const unknown = [...metadata.keys()].find(
    (key) => key.startsWith(prefix) && !KNOWN_KEYS.includes(key.slice(prefix.length)),
  );
  // With an unsupported type, its extra keys are not the problem to report.
  if (unknown === undefined || hasOtherType(metadata, prefix)) return;
  throw new ModelError(
    "MODEL_ROPE_UNSUPPORTED",
    `expected only these RoPE keys: ${KNOWN_KEYS.join(", ")}; got ${unknown}, without which outputs would be wrong; use another model`,
  );
};

const hasOtherType = (metadata: Metadata, prefix: string): boolean =>
  !["none", "linear", undefined].includes(metadata.get(`${prefix}scaling.type`) as string | undefined);
