import { formatPair, MODES, parsePair, type Bits, type Pair } from "@kvtuner/plan";
import { MEASURES, type Measure } from "@kvtuner/sensitivity";
import { isCalibrated } from "../methods/method.ts";
import {
  choiceOption,
  fillOptions,
  seedOption,
  textOption,
  wholeOption,
  type Filled,
  type Given,
  type Option,
} from "../option-table.ts";
import { OptionError } from "../option-values.ts";
import { needsTask, OBJECTIVE_NAMES, type Objective } from "../pipeline/objectives/objectives.ts";
import { STRATEGIES } from "../pipeline/search.ts";
import { COSTS } from "../space/space.ts";
import { CODEC_NAMES, searchedCodecs } from "./codecs.ts";

const BITS: readonly Bits[] = [8, 4, 3, 2];

/** Samples by default where tables are calibrated, which takes more text than to compare plans. */
const CALIBRATION_SAMPLES = 4;

/** {2, 3, 4, 8} x {2, 3, 4, 8}. */
export const DEFAULT_PAIRS: readonly Pair[] = BITS.flatMap((key) => BITS.map((value) => ({ key, value })));

const pairs: Option<Pair[], readonly (Pair | string)[], readonly Pair[]> = {
  kind: "list",
  value: "<list>",
  help: "comma-separated pairs to choose from, such as K8V8,K8V4 (default: all over 2, 3, 4 and 8 bits)",
  fallback: DEFAULT_PAIRS,
  check: (_, given) => pairList(given),
};

const codecs: Option<readonly string[], readonly string[], undefined> = {
  kind: "list",
  value: "<list>",
  help:
    "comma-separated modes and methods to search in place of --mode, METHOD:SETTING, or the first words of several settings, such as " +
    "transform:channels; each layer stores its keys as in any of them and its values as in any that keeps the same tokens in 16 bits " +
    `(${CODEC_NAMES.join(", ")}) (default: the pairs of --mode)`,
  fallback: undefined,
  conflicts: ["mode"],
  check: (name, given) => {
    const names = [...new Set(given.map((own) => own.trim()))];
    if (names.length === 0) throw new OptionError(name, `at least one of ${CODEC_NAMES.join(", ")}`, "none");
    searchedCodecs(names);
    return names;
  },
};

/** Options of a study that are stored in its settings. */
export const STUDY_OPTIONS = {
  objective: choiceOption(
    OBJECTIVE_NAMES,
    undefined,
    "quality measure to optimize: kl, task accuracy, or both (default: task with --task, else kl)",
  ),
  mode: choiceOption(MODES, "compact", "storage mode of all pairs"),
  codecs,
  for: textOption(
    "<backend>",
    "backend that has to store the plan: settings of methods that it cannot store are left out (default: that of --verify, or cpu; any for pairs of modes alone)",
  ),
  pairs,
  sinks: wholeOption(
    { least: 0 },
    undefined,
    "number of first tokens kept in 16 bits of pairs of modes (default: the first mode's)",
  ),
  recent: wholeOption(
    { least: 0 },
    undefined,
    "number of most recent tokens kept in 16 bits of pairs of modes (default: the first mode's)",
  ),
  context: wholeOption({ least: 1 }, 4096, "context length in tokens for byte counts"),
  evaluations: wholeOption(
    { least: 1 },
    60,
    "largest number of plans to evaluate; after a profile from gradients, the surrogate search stops when more gain nothing",
  ),
  seed: seedOption("seed for the search, the model's own text and a task's examples, below 2^32"),
  samples: wholeOption(
    { least: 1 },
    2,
    `number of calibration samples; ${CALIBRATION_SAMPLES} by default where tables are calibrated`,
  ),
  sampleLength: wholeOption({ least: 2 }, 512, "tokens per sample"),
  strategy: choiceOption(STRATEGIES, "surrogate", "search strategy"),
  measure: choiceOption(
    MEASURES,
    undefined,
    "profile of each layer: gradient estimates every pair in a few passes, kl measures them, eo measures and prunes by attention output error (default: gradient; kl for a model without gradients, or where it takes no longer)",
  ),
  cost: choiceOption(COSTS, "true", "cost to minimize: stored bytes (true) or code bits (equivalent)"),
};

/** Options of a study as users give them; all have defaults. */
export type StudyChoices = Given<typeof STUDY_OPTIONS>;

/** Options of a study with all defaults filled in. */
export type StudyOptions = Filled<typeof STUDY_OPTIONS> & { readonly objective: Objective };

/** Options of a study whose measure is chosen. */
export type MeasuredStudy = StudyOptions & { readonly measure: Measure };

/**
 * Checks the options of a study and fills in defaults.
 *
 * @throws OptionError naming the option.
 */
export const studyOptions = (choices: StudyChoices, hasTask = false): StudyOptions => {
  const { objective = hasTask ? "task" : "kl", ...filled } = fillOptions(STUDY_OPTIONS, choices);
  const { modes, settings } = searchedCodecs(filled.codecs ?? []);
  const isTrained = choices.samples === undefined && settings.some(({ setting }) => isCalibrated(setting));
  const samples = isTrained ? CALIBRATION_SAMPLES : filled.samples;
  const options = { ...filled, samples, mode: modes[0] ?? filled.mode };
  if (hasTask || !needsTask(objective)) return { ...options, objective };
  throw new OptionError("objective", "kl without --task", objective);
};

/** Parses pairs and drops repeats. */
export const pairList = (given: readonly (Pair | string)[]): Pair[] => {
  const byName = new Map(
    given
      .map((pair) => (typeof pair === "string" ? parsePair(pair.trim()) : pair))
      .map((pair) => [formatPair(pair), pair]),
  );
  if (byName.size === 0) throw new OptionError("pairs", "at least one pair like K8V4", "none");
  return [...byName.values()];
};
