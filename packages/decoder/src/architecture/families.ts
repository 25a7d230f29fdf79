import type { Family } from "./families/family.ts";
import { gemma3 } from "./families/gemma3.ts";
import { granite } from "./families/granite.ts";
import { llama } from "./families/llama.ts";
import { mistral3 } from "./families/mistral3.ts";
import { olmo2 } from "./families/olmo2.ts";
import { phi3 } from "./families/phi3.ts";
import { qwen2 } from "./families/qwen2.ts";
import { qwen3 } from "./families/qwen3.ts";
import { smollm3 } from "./families/smollm3.ts";

/** Architectures that segments are built for, by their names in `general.architecture`. */
export type Architecture =
  | "llama"
  | "qwen2"
  | "qwen3"
  | "gemma3"
  | "granite"
  | "olmo2"
  | "mistral3"
  | "phi3"
  | "smollm3";

/** The family of each architecture. */
export const FAMILIES: Readonly<Record<Architecture, Family>> = {
  llama,
  qwen2,
  qwen3,
  gemma3,
  granite,
  olmo2,
  mistral3,
  phi3,
  smollm3,
};

/** The family of an architecture that {@link FAMILIES} has. */
export const familyOf = (architecture: string): Family => FAMILIES[architecture as Architecture];
