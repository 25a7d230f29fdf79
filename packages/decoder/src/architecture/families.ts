import type { Family } from "./families/family.ts";
import { gemma } from "./families/gemma.ts";
import { gemma2 } from "./families/gemma2.ts";
import { gemma3 } from "./families/gemma3.ts";
import { gemma4 } from "./families/gemma4.ts";
import { gptOss } from "./families/gpt-oss.ts";
import { granite, granitemoe } from "./families/granite.ts";
import { lfm2 } from "./families/lfm2.ts";
import { llama } from "./families/llama.ts";
import { mistral3 } from "./families/mistral3.ts";
import { olmo2 } from "./families/olmo2.ts";
import { olmoe } from "./families/olmoe.ts";
import { phi3 } from "./families/phi3.ts";
import { qwen2, qwen2moe } from "./families/qwen2.ts";
import { qwen3, qwen3moe } from "./families/qwen3.ts";
import { qwen35, qwen35moe } from "./families/qwen35.ts";
import { smollm3 } from "./families/smollm3.ts";

/** Architectures that segments are built for, by their names in `general.architecture`. */
export type Architecture =
  | "llama"
  | "qwen2"
  | "qwen3"
  | "gemma3"
  | "gemma4"
  | "granite"
  | "olmo2"
  | "mistral3"
  | "phi3"
  | "smollm3"
  | "qwen3moe"
  | "gpt-oss"
  | "gemma"
  | "gemma2"
  | "qwen2moe"
  | "granitemoe"
  | "olmoe"
  | "lfm2"
  | "qwen35"
  | "qwen35moe";

/** The family of each architecture. */
export const FAMILIES: Readonly<Record<Architecture, Family>> = {
  llama,
  qwen2,
  qwen3,
  gemma3,
  gemma4,
  granite,
  olmo2,
  mistral3,
  phi3,
  smollm3,
  qwen3moe,
  "gpt-oss": gptOss,
  gemma,
  gemma2,
  qwen2moe,
  granitemoe,
  olmoe,
  lfm2,
  qwen35,
  qwen35moe,
};

/** Names of the supported architectures. */
export const ARCHITECTURES = Object.keys(FAMILIES) as readonly Architecture[];

/** The family of an architecture that {@link FAMILIES} has. */
export const familyOf = (architecture: string): Family => FAMILIES[architecture as Architecture];
