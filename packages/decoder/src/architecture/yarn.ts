import type { ModelKeys } from "./model-keys.ts";

/** YaRN: fast frequencies stay as trained, slow ones are divided by the scaling factor, those between are mixed. */
export interface YarnSpec {
  /** Share of the trained frequency where a frequency is fastest: 1 for YaRN, 0 divides all frequencies. */
  readonly extrapolation: number;
  /** Frequencies, by their index, at which the mixing starts and ends. */
  readonly ramp: readonly [start: number, end: number];
}

/** Keys below `rope.` that only files with YaRN have. */
export const YARN_KEYS: readonly string[] = [
  "scaling.yarn_ext_factor",
  "scaling.yarn_attn_factor",
  "scaling.yarn_beta_fast",
  "scaling.yarn_beta_slow",
  "scaling.yarn_log_multiplier",
];

/** What {@link readYarn} must know besides the keys. */
interface YarnOptions {
  readonly base: number;
  readonly dimensions: number;
  /** Whether the ramp starts and ends at whole indexes, as in the paper's code; gpt-oss is trained without. */
  readonly isRampWhole: boolean;
}

/**
 * Reads how frequencies are mixed. Equal to llama.cpp and, in files with default keys, to PyTorch `transformers`.
 *
 * @throws ModelError `MODEL_METADATA_MISSING`, `MODEL_METADATA_INVALID`
 */
export const readYarn = (keys: ModelKeys, { base, dimensions, isRampWhole }: YarnOptions): YarnSpec => {
  const context = keys.number("rope.scaling.original_context_length", keys.number("context_length"));
  const indexOf = (turns: number): number =>
    (dimensions * Math.log(context / (turns * 2 * Math.PI))) / (2 * Math.log(base));
  const start = indexOf(keys.number("rope.scaling.yarn_beta_fast", 32));
  const end = indexOf(keys.number("rope.scaling.yarn_beta_slow", 1));
  return {
    extrapolation: extrapolationOf(keys),
    ramp: [
      Math.max(isRampWhole ? Math.floor(start) : start, 0),
      Math.min(isRampWhole ? Math.ceil(end) : end, dimensions - 1),
    ],
  };
};

/** A negative number stands for the default. */
const extrapolationOf = (keys: ModelKeys): number => {
  const key = "rope.scaling.yarn_ext_factor";
  const value = Number(keys.value(key) ?? -1);
  return value < 0 ? 1 : value === 0 ? 0 : keys.number(key);
};

/**
 * Factor of cosines and sines. In files of models whose configuration names it, it is a key, which llama.cpp replaces by the
 * paper's formula; `transformers` does not.
 *
 * @param factor by which YaRN extends the context
 * @throws ModelError `MODEL_METADATA_INVALID`
 */
export const yarnMagnitude = (keys: ModelKeys, factor: number): number => {
  const given = keys.optionalNumber("rope.scaling.yarn_attn_factor");
  if (given !== undefined) return given;
  if (extrapolationOf(keys) === 0) return 1;
  const magnitude = (multiplier: number): number => (factor > 1 ? 0.1 * multiplier * Math.log(factor) + 1 : 1);
  // The models' `mscale_all_dim`; the files have no key for their `mscale`, which is 1.
  const key = "rope.scaling.yarn_log_multiplier";
  return magnitude(1) / (Number(keys.value(key) ?? 0) === 0 ? 1 : magnitude(keys.number(key)));
};

/** Share of the trained frequency at an index. */
export const trainedShare = ({ extrapolation, ramp: [start, end] }: YarnSpec, index: number): number =>
  extrapolation * (1 - Math.min(1, Math.max(0, (index - start) / Math.max(0.001, end - start))));
