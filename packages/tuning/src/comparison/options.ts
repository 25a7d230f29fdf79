import { METHODS } from "../methods/registry.ts";
import { seedOption, textOption, wholeOption, type Filled, type Option } from "../option-table.ts";
import { oneOf, OptionError } from "../option-values.ts";
import { STUDY_OPTIONS } from "../study/options.ts";

/** Names KVTuner's own plans, tuned per layer, among the methods. */
export const TUNED = "kvtuner";

const NAMES: readonly string[] = [...METHODS.map(({ name }) => name), TUNED];

const methods: Option<readonly string[], readonly string[], readonly string[]> = {
  kind: "list",
  value: "<list>",
  help: `comma-separated methods: ${NAMES.join(", ")} (default: all)`,
  fallback: NAMES,
  check: (name, given) => [...new Set(given.map((method) => oneOf(name, method, NAMES)))],
};

const LEVELS: readonly number[] = [2, 2.5, 3, 3.5, 4, 5];

const bits: Option<readonly number[], readonly number[], readonly number[]> = {
  kind: "numbers",
  value: "<list>",
  help: `true bits to compare at, with everything counted (default: ${LEVELS.join(",")})`,
  fallback: LEVELS,
  check: (name, levels) => {
    const wrong = levels.find((level) => !(level > 0 && level <= 16));
    if (wrong !== undefined) throw new OptionError(name, "numbers above 0 and up to 16", String(wrong));
    if (levels.length === 0) throw new OptionError(name, "at least one number", "none");
    return [...new Set(levels)].toSorted((a, b) => a - b);
  },
};

/** Options of a comparison. */
export const COMPARISON_OPTIONS = {
  methods,
  bits,
  text: textOption("<file>", "UTF-8 text file to score on (default: the model's own continuations, with another seed)"),
  samples: wholeOption({ least: 1 }, 8, "number of samples to score on"),
  sampleLength: wholeOption({ least: 2 }, 512, "tokens per sample to score on"),
  calibrationText: textOption(
    "<file>",
    "UTF-8 text file to tune and calibrate on (default: the model's own continuations of built-in prompts)",
  ),
  calibrationSamples: wholeOption({ least: 1 }, 4, "number of samples to tune and calibrate on"),
  calibrationLength: { ...STUDY_OPTIONS.sampleLength, help: "tokens per sample to tune and calibrate on" },
  context: { ...STUDY_OPTIONS.context },
  seed: seedOption("seed for tuning, the model's own text and a task's examples, below 2^32"),
};

/** Options of a comparison with all defaults filled in; the texts themselves in place of their files. */
export type ComparisonOptions = Filled<typeof COMPARISON_OPTIONS>;
