import { TokenizerError } from "./tokenizer-error.ts";

/** A list of strings under `key`. */
export const strings = (metadata: ReadonlyMap<string, unknown>, key: string): readonly string[] => {
  const value = metadata.get(key);
  if (Array.isArray(value) && value.every((entry) => typeof entry === "string")) return value;
  throw invalid(key, "a list of strings", value);
};

/** A number for each of `length` tokens under `key`. */
export const numbers = (metadata: ReadonlyMap<string, unknown>, key: string, length: number): ArrayLike<number> => {
  const value = metadata.get(key);
  if (isNumbers(value) && value.length === length) return value;
  throw invalid(key, `${length} numbers, one for each of tokenizer.ggml.tokens`, value);
};

/** The same, if the file has the key. */
export const optionalNumbers = (
  metadata: ReadonlyMap<string, unknown>,
  key: string,
  length: number,
): ArrayLike<number> | undefined => (metadata.has(key) ? numbers(metadata, key, length) : undefined);

/** A token id under `key`, if the file has one. */
export const optionalId = (metadata: ReadonlyMap<string, unknown>, key: string): number | undefined => {
  const value = metadata.get(key);
  return typeof value === "number" ? value : undefined;
};

/** True for a list of numbers or a typed array. */
const isNumbers = (value: unknown): value is ArrayLike<number> =>
  Array.isArray(value)
    ? value.every((entry) => typeof entry === "number")
    : ArrayBuffer.isView(value) && !(value instanceof DataView);

const invalid = (key: string, expected: string, value: unknown): TokenizerError =>
  new TokenizerError(
    "TOKENIZER_METADATA",
    `expected ${key} to be ${expected}, got ${describe(value)}; convert the model again`,
  );

const describe = (value: unknown): string =>
  Array.isArray(value) || isNumbers(value) ? `a list of ${value.length}` : typeof value;
