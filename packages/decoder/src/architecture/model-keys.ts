import { type Metadata, positiveNumber, positiveNumbers } from "./metadata-fields.ts";

/** Metadata below a model's architecture: `block_count` is the key `ARCHITECTURE.block_count`. */
export interface ModelKeys {
  /** The whole key, for messages. */
  name(key: string): string;
  has(key: string): boolean;
  value(key: string): unknown;
  /**
   * A positive number.
   *
   * @throws ModelError `MODEL_METADATA_MISSING` without a fallback, `MODEL_METADATA_INVALID`
   */
  number(key: string, fallback?: number): number;
  /**
   * One positive number for each of `count` layers, from a list or from one number for all.
   *
   * @throws ModelError `MODEL_METADATA_MISSING`, `MODEL_METADATA_INVALID`
   */
  numbers(key: string, count: number): number[];
  /** The same as `number`, or undefined if there is no such key. */
  optionalNumber(key: string): number | undefined;
  /** Keys that start with `prefix`, without the architecture. */
  startingWith(prefix: string): string[];
}

/** Reads the metadata of one architecture. */
export const modelKeys = (metadata: Metadata, architecture: string): ModelKeys => {
  const name = (key: string): string => `${architecture}.${key}`;
  const number = (key: string, fallback?: number): number => positiveNumber(metadata, name(key), fallback);
  return {
    name,
    has: (key) => metadata.has(name(key)),
    value: (key) => metadata.get(name(key)),
    number,
    numbers: (key, count) => positiveNumbers(metadata, name(key), count),
    optionalNumber: (key) => (metadata.has(name(key)) ? number(key) : undefined),
    startingWith: (prefix) =>
      [...metadata.keys()].filter((key) => key.startsWith(name(prefix))).map((key) => key.slice(name("").length)),
  };
};
