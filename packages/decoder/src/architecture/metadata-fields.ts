import { describeValue, listOf } from "../gguf/describe-value.ts";
import { ModelError } from "./model-error.ts";

/** Metadata of a model file by key, as GGUF stores it. */
export type Metadata = ReadonlyMap<string, unknown>;

/** The text under `key`, or `fallback` if it is absent. */
export const text = (metadata: Metadata, key: string, fallback: string): string => {
  const value = metadata.get(key);
  return typeof value === "string" && value !== "" ? value : fallback;
};

/**
 * A positive number under `key`. A list of equal numbers, one for each layer, counts as that number.
 *
 * @throws ModelError `MODEL_METADATA_MISSING`, `MODEL_METADATA_INVALID`
 */
export const positiveNumber = (metadata: Metadata, key: string, fallback?: number): number => {
  const value = metadata.get(key) ?? fallback;
  if (value === undefined)
    throw new ModelError(
      "MODEL_METADATA_MISSING",
      `expected ${key} in the model's metadata, got none; convert the model again`,
    );
  const list = listOf(value);
  if (list && list.some((entry) => entry !== list[0])) throw unequal(key, list);
  const single = list ? list[0] : value;
  const result = typeof single === "bigint" ? Number(single) : single;
  if (typeof result === "number" && Number.isFinite(result) && result > 0) return result;
  throw new ModelError(
    "MODEL_METADATA_INVALID",
    `expected ${key} to be a positive number, got ${describeValue(value)}; convert the model again`,
  );
};

/**
 * Positive numbers under `key`, one for each of `count` layers: a list of as many, or one number for all.
 *
 * @throws ModelError `MODEL_METADATA_MISSING`, `MODEL_METADATA_INVALID`
 */
export const positiveNumbers = (metadata: Metadata, key: string, count: number): number[] => {
  const list = listOf(metadata.get(key));
  if (list === undefined) return Array<number>(count).fill(positiveNumber(metadata, key));
  if (list.length === count) return list.map((value) => positiveNumber(new Map([[key, value]]), key));
  throw new ModelError(
    "MODEL_METADATA_INVALID",
    `expected ${key} to be one number or a list of ${count}, one for each layer, got ${describeValue(list)}; convert the model again`,
  );
};

const unequal = (key: string, list: readonly unknown[]): ModelError =>
  new ModelError(
    "MODEL_METADATA_INVALID",
    `expected ${key} to be one number for all layers, got ${describeValue(list)}; models with different values per layer are not supported`,
  );
