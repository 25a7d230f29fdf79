import type { CacheShape, LayerScheme } from "@kvtuner/plan";
import { CACHE_TYPES, llamaCpp } from "../runtimes/llama-cpp.ts";
import { everywhere, UNQUANTIZED } from "../runtimes/runtime.ts";
import { valuesOf, wordsOf } from "./command-line.ts";
import { SettingError } from "./setting-error.ts";

const KEY_FLAGS = ["--cache-type-k", "-ctk"];
const VALUE_FLAGS = ["--cache-type-v", "-ctv"];

/** Flags that set the types of llama.cpp's cache. */
export const LLAMA_CPP_FLAGS: readonly string[] = [...KEY_FLAGS, ...VALUE_FLAGS];

/**
 * What llama.cpp stores under these flags. The type that is not set is f16, as there; other flags are ignored.
 *
 * @throws SettingError for a type that is not llama.cpp's or takes more than 16 bits
 */
export const readLlamaCpp = (text: string, shape: CacheShape): LayerScheme[] => {
  const words = wordsOf(text);
  const label = `${typeAfter(words, KEY_FLAGS)}/${typeAfter(words, VALUE_FLAGS)}`;
  const setting = llamaCpp.settings({ shape, ranges: [] }).find((known) => known.label === label);
  return [...(setting?.layers ?? everywhere(shape, UNQUANTIZED))];
};

const typeAfter = (words: readonly string[], names: readonly string[]): string => {
  const given = valuesOf(words, names);
  if (given === undefined) return "f16";
  const type = CACHE_TYPES.find((known) => known === given[0]);
  if (type !== undefined) return type;
  throw new SettingError(`expected ${names[0]} to be one of ${CACHE_TYPES.join(", ")}, got ${given[0] ?? "nothing"}`);
};
