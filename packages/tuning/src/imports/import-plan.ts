import { layerShape, schemeFault, tensorShape, type CacheShape, type LayerScheme, type Plan } from "@kvtuner/plan";
import { LLAMA_CPP_FLAGS, readLlamaCpp } from "./llama-cpp.ts";
import { readModelOpt } from "./modelopt.ts";
import { SettingError } from "./setting-error.ts";
import { readVllm, VLLM_FLAGS } from "./vllm.ts";

/** A format that settings are read from. */
interface Source {
  readonly isMine: (text: string) => boolean;
  /** One scheme per layer with a cache. */
  readonly read: (text: string, shape: CacheShape) => LayerScheme[];
}

const hasFlag =
  (flags: readonly string[]) =>
  (text: string): boolean =>
    flags.some((flag) => new RegExp(`(^|\\s)${flag}(\\s|=|$)`).test(text));

const SOURCES: readonly Source[] = [
  { isMine: (text) => /^\s*\{/.test(text) && text.includes('"kv_cache_quant_algo"'), read: readModelOpt },
  { isMine: hasFlag(LLAMA_CPP_FLAGS), read: readLlamaCpp },
  { isMine: hasFlag(VLLM_FLAGS), read: readVllm },
];

const sourceOf = (text: string): Source | undefined => SOURCES.find(({ isMine }) => isMine(text));

/** Whether a text holds another runtime's cache setting: flags of llama.cpp or vLLM, or ModelOpt's `hf_quant_config.json`. */
export const isSetting = (text: string): boolean => sourceOf(text) !== undefined;

/**
 * Reads another runtime's cache setting as the plan that it stores; the inverse of `exportPlan` for `llama.cpp`, `vllm` and
 * `modelopt`.
 *
 * @throws SettingError `SETTING_INVALID` for text that no format reads, and types that do not exist or do not fit the model
 */
export const importPlan = (text: string, { model, shape }: Pick<Plan, "model" | "shape">): Plan => {
  const source = sourceOf(text);
  if (source === undefined)
    throw new SettingError(
      `expected flags such as ${LLAMA_CPP_FLAGS[0]} or ${VLLM_FLAGS[0]}, or ModelOpt's hf_quant_config.json, got ${JSON.stringify(text.slice(0, 80))}`,
    );
  const layers = source.read(text, shape);
  for (const [layer, scheme] of layers.entries())
    for (const tensor of ["key", "value"] as const) {
      const fault = schemeFault(scheme[tensor], tensorShape(layerShape(shape, layer), tensor));
      if (fault !== undefined) throw new SettingError(`expected a setting that fits layer ${layer}: ${fault}`);
    }
  return { version: 2, model, shape, layers };
};
