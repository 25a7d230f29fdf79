import { availableParallelism } from "node:os";
import type { Backend } from "@kvtuner/backend";
import type { ChatMessage, Decoder, Tokenizer } from "@kvtuner/decoder";
import type { Variant } from "@kvtuner/evaluation/bench";
import type { CacheShape, Plan } from "@kvtuner/plan";
import {
  CALIBRATE_OPTIONS,
  choiceOption,
  COMPARISON_OPTIONS,
  EXPORT_TARGETS,
  flagOption,
  numberOption,
  OptionError,
  oneOf,
  type RETRIEVAL_OPTIONS,
  RUNTIMES,
  seedOption,
  STUDY_OPTIONS,
  TASK_OPTIONS,
  textOption,
  wholeNumber,
  wholeOption,
  type Given,
  type Limit,
  type OnProgress,
  type Option,
  type TunableModel,
} from "@kvtuner/tuning";
import { BACKEND_NAMES, TARGET_NAMES } from "./model/backend.ts";
import { WEIGHTS, type Weights } from "./model/weights.ts";

/** What every function that takes a while can be given. */
export interface RunCallbacks {
  readonly onProgress?: OnProgress;
  /** Receives warnings. */
  readonly onWarning?: (message: string) => void;
  /** Stops the run; what was measured until then is saved. */
  readonly signal?: AbortSignal;
}

/**
 * A path of a GGUF file or of a folder with an ONNX model, `hf:OWNER/NAME[:FILE][@REVISION]`, a name that `npm run model` fetches, or a model that was opened
 * already (and stays open).
 */
type ModelOption = string | TunableModel;

/** A name, or a backend that stays the caller's to dispose of. */
const backendOption = <Fallback extends string | undefined>(
  fallback: Fallback,
  help: string,
): Option<string | Backend, string | Backend, Fallback> => ({
  kind: "text",
  value: "<name>",
  help,
  fallback,
  check: (name, given) => (typeof given === "string" ? oneOf(name, given, BACKEND_NAMES) : given),
  choices: BACKEND_NAMES,
});

/** Names that ways to hold weights had. */
const OLD_WEIGHTS: Readonly<Record<string, Weights>> = { float32: "exact", stored: "exact", "stored-int8": "compact" };

const weights: Option<Weights, Weights, undefined> = {
  ...choiceOption(
    WEIGHTS,
    undefined,
    "how weights are held: compact (4 and 8 bits, int8 activations: fast, less exact) or exact (float32, mapped from a file) (default: compact, or exact if --memory is too small for it)",
  ),
  check: (name, value) => {
    const renamed = OLD_WEIGHTS[value];
    if (renamed === undefined) return oneOf(name, value, WEIGHTS);
    throw new OptionError(
      name,
      `one of ${WEIGHTS.join(", ")}`,
      `${JSON.stringify(value)}; use ${renamed} in its place`,
    );
  },
};

const memory: Option<number, number, undefined> = {
  ...wholeOption(
    { least: 1 },
    undefined,
    "limit of memory such as 1GB for the model, without its cache; weights that do not fit stay on disk (default: what is free)",
  ),
  kind: "bytes",
  value: "<bytes>",
};

/** Threads of each of a model's sessions. Threads beyond the number of cores only take memory. */
const threadsOption = <Fallback extends number | undefined>(
  fallback: Fallback,
  help: string,
): Option<number, number, Fallback> => ({
  ...wholeOption({ least: 1 }, fallback, help),
  check: (name, threads) => Math.min(wholeNumber(name, threads, 1), availableParallelism()),
});

const anyWeights = flagOption("accept plans tuned for other weights of the same shape, with a warning");

const task: Option<string | readonly string[], string | readonly string[], undefined> = {
  kind: "paths",
  value: "<files>",
  help: "comma-separated task files: JSON Lines with {prompt, answer, compare}, or GSM8K's format",
  fallback: undefined,
  check: (_, given) => given,
};

/** The option of everything that opens a model. */
const OFFLINE_OPTION = { offline: flagOption("use models of the hub (hf:OWNER/NAME) only if downloaded") };

/** Options of `doctor`. */
export const DOCTOR_OPTIONS = { ...OFFLINE_OPTION };

/** The option of a command that prints a result. */
export const JSON_OPTION = { json: flagOption("print one JSON document to stdout") };

/** Options of a command that prints progress and a result. */
export const OUTPUT_OPTIONS = { ...JSON_OPTION, quiet: flagOption("hide progress") };

/** Bytes that a cache may take. */
const budgetOption = (help: string): Option<number, number, undefined> => ({
  ...wholeOption({ least: 1 }, undefined, `budget such as 40MB: show ${help}`),
  kind: "bytes",
  value: "<bytes>",
});

const plansOption = (help: string): Option<readonly string[], readonly string[], undefined> => ({
  kind: "plans",
  value: "<plans>",
  help: `comma-separated plan files, shorthands or another runtime's flags, such as ${help}`,
  fallback: undefined,
  check: (_, given) => given,
});

/** Options of `inspect`. */
export const INSPECT_OPTIONS = {
  ...OFFLINE_OPTION,
  budget: budgetOption("which plans of a model fit, or whether a plan does; ignored for a study"),
  context: { ...STUDY_OPTIONS.context, help: `${STUDY_OPTIONS.context.help}; ignored for a study` },
};

/** Options of `report`. */
export const REPORT_OPTIONS = {
  svg: textOption("<dir>", "also write each chart as an SVG file to this folder"),
  budget: budgetOption("the context length that fits (default: the study's limit)"),
  context: wholeOption({ least: 1 }, undefined, `${STUDY_OPTIONS.context.help} (default: the study's)`),
};

/** The context that plans are for. */
const CONTEXT_OPTION = {
  context: { ...STUDY_OPTIONS.context, help: `${STUDY_OPTIONS.context.help} and Phi-3's RoPE factors` },
};

/** Options of `tune`, except its limit. */
export const TUNE_OPTIONS = {
  out: textOption("<dir>", "study folder (default: studies/MODEL-MODE)"),
  text: textOption(
    "<file>",
    "UTF-8 calibration text file (default: prompts of --task, or the model's own continuations of built-in prompts)",
  ),
  ...STUDY_OPTIONS,
  for: {
    ...STUDY_OPTIONS.for,
    check: (name: string, given: string) => oneOf(name, given, TARGET_NAMES),
    choices: TARGET_NAMES,
  },
  ...CONTEXT_OPTION,
  verify: flagOption("run the picked plan token by token and compare its loss with the evaluator's"),
  backend: backendOption(undefined, "backend for --verify (default: cpu)"),
  task,
  ...TASK_OPTIONS,
  ...OFFLINE_OPTION,
};

/** Options of {@link tune}; those of a task go with `task`. */
export interface TuneOptions extends Given<typeof TUNE_OPTIONS>, RunCallbacks {
  readonly model: ModelOption;
  /** What the picked plan keeps to; the knee of the front by default. */
  readonly limit?: Limit;
}

const ofText = { conflicts: ["task"] } as const;

/** Options of `eval` on a text. */
export const EVALUATE_OPTIONS = {
  text: {
    ...textOption("<file>", "UTF-8 text file (default: the model's own continuations of built-in prompts)"),
    ...ofText,
  },
  samples: { ...wholeOption({ least: 1 }, 8, "number of samples of the text"), ...ofText },
  sampleLength: { ...wholeOption({ least: 2 }, 512, "tokens per sample"), ...ofText },
  ...CONTEXT_OPTION,
  seed: seedOption("seed for the model's own text or a task's examples, below 2^32"),
  anyWeights,
  ...OFFLINE_OPTION,
};

/** Where and on what text plans are scored. */
export interface EvaluateSettings extends Given<typeof EVALUATE_OPTIONS>, RunCallbacks {
  readonly model: ModelOption;
}

/** Task files, and how their prompts are put to a model. */
export interface TaskRequest extends Given<typeof TASK_OPTIONS> {
  /** Task files, one or several: JSON Lines of `{prompt, answer, compare, choices?, stop?}`, or GSM8K's own format. */
  readonly task: string | readonly string[];
  /** Draws the examples; below 2^32, 0 by default. */
  readonly seed?: number;
}

/** Options of `eval` on tasks. */
export const EVALUATE_TASK_OPTIONS = { task, ...TASK_OPTIONS };

/** What is retrieved, the model, and how plans are evaluated. */
export interface EvaluateRetrievalSettings
  extends
    Omit<Given<typeof RETRIEVAL_OPTIONS>, "retrieval">,
    Pick<EvaluateSettings, "context" | "seed" | "anyWeights" | "offline">,
    RunCallbacks {
  readonly model: ModelOption;
  /** What the texts hide: `key-value`, `multi-hop`, `passkey`. */
  readonly retrieval: readonly string[];
}

/** Plans on the command line of `eval`. */
export const EVALUATE_PLAN_OPTIONS = {
  plan: plansOption("kivi:K4V2+sinks4 or none"),
  stream: { ...flagOption("read one plan per line from stdin; print one JSON line each"), conflicts: ["plan"] },
};

/** The task, the model, and how plans are evaluated. */
export interface EvaluateTaskSettings
  extends TaskRequest, Pick<EvaluateSettings, "context" | "anyWeights" | "offline">, RunCallbacks {
  readonly model: ModelOption;
}

/** Options of `calibrate`. */
export const CALIBRATION_OPTIONS = {
  out: textOption("<dir>", "folder of the plan (default: plans/MODEL-METHOD)"),
  ...CALIBRATE_OPTIONS,
  context: CONTEXT_OPTION.context,
  ...OFFLINE_OPTION,
};

/** Options of {@link calibrate}; `text` is a path. */
export interface CalibrationOptions extends Given<typeof CALIBRATION_OPTIONS>, RunCallbacks {
  readonly model: ModelOption;
  readonly method: string;
}

/** Options of `compare`. */
export const COMPARE_OPTIONS = {
  out: textOption("<dir>", "comparison folder (default: comparisons/MODEL)"),
  ...COMPARISON_OPTIONS,
  time: flagOption(
    "time decoding at the context beside the float cache, one thread, where the CPU backend has a kernel",
  ),
  context: CONTEXT_OPTION.context,
  task,
  ...TASK_OPTIONS,
  ...OFFLINE_OPTION,
};

/** Options of {@link compare}; `text` and `calibrationText` are paths, and those of a task go with `task`. */
export interface CompareOptions extends Given<typeof COMPARE_OPTIONS>, RunCallbacks {
  readonly model: ModelOption;
}

/** Options of `export`. */
export const EXPORT_OPTIONS = {
  to: {
    ...textOption("<target>", `what to write for: ${EXPORT_TARGETS.join(", ")}`),
    isRequired: true,
    choices: EXPORT_TARGETS,
  },
  out: textOption("<path>", "new file for the setting (default: stdout), or for onnx the new folder of the model"),
  model: textOption(
    "<model>",
    "model to measure the plan and its export on (default: nothing is measured); for onnx the folder of an ONNX model",
  ),
  calibrationText: textOption(
    "<file>",
    "for onnx, UTF-8 text file to calibrate scales on (default: the model's own continuations of built-in prompts)",
  ),
  ...EVALUATE_OPTIONS,
  text: {
    ...textOption(
      "<file>",
      "with --model, UTF-8 text file (default: the model's own continuations of built-in prompts)",
    ),
  },
};

/** Options of {@link exportTo}; those of the text go with `model`. */
export interface ExportOptions extends Omit<Given<typeof EXPORT_OPTIONS>, "to" | "model">, RunCallbacks {
  /** A plan, the path of a plan file or, with `model`, shorthand like `kivi:K4V2+sinks4`. */
  readonly plan: Plan | string;
  /** Name of a target, such as `llama.cpp`. */
  readonly to: string;
  readonly model?: ModelOption;
}

/** Options of `advise`. */
export const ADVISE_OPTIONS = {
  for: {
    ...choiceOption(
      RUNTIMES.map(({ name }) => name),
      undefined,
      "runtime whose settings to rank",
    ),
    isRequired: true,
  },
  budget: {
    ...wholeOption({ least: 1 }, undefined, "most bytes that the cache may take at --context, such as 2GB"),
    kind: "bytes",
    value: "<bytes>",
  } satisfies Option<number, number, undefined>,
  context: {
    ...CONTEXT_OPTION.context,
    kind: "tokens",
    help: "context length in tokens, such as 32k, for byte counts and Phi-3's RoPE factors",
  } satisfies Option<number, number, number>,
  text: textOption("<file>", "UTF-8 text file (default: the model's own continuations of built-in prompts)"),
  samples: wholeOption({ least: 1 }, 4, "number of samples of the text"),
  sampleLength: wholeOption({ least: 2 }, 512, "tokens per sample"),
  seed: seedOption("seed for the model's own text, below 2^32"),
  ...OFFLINE_OPTION,
};

/** Options of {@link advise}. */
export interface AdviseOptions extends Given<typeof ADVISE_OPTIONS>, RunCallbacks {
  readonly model: ModelOption;
  /** Name of the runtime. */
  readonly for: string;
}

/** Options of a model that runs on a cache. */
export const RUNNER_OPTIONS = {
  threads: threadsOption(undefined, "number of threads for weights and cache (default and maximum: all cores)"),
  backend: backendOption(BACKEND_NAMES[0]!, "backend that stores the cache"),
  weights,
  memory,
  context: wholeOption(
    { least: 1 },
    undefined,
    `most tokens of prompt and text, by which Phi-3's RoPE factors are chosen (default: the model's context, and factors for ${STUDY_OPTIONS.context.fallback} tokens)`,
  ),
  session: textOption(
    "<file>",
    "go on from the session in this file, and save it there after each text; takes the cache's bytes on disk and twice as much memory while it saves",
  ),
  sessions: textOption(
    "<dir>",
    "folder of sessions: go on from that which begins like the prompt for longest, and save the new one there too",
  ),
  sessionsBudget: {
    ...wholeOption({ least: 1 }, 2e9, "most bytes of the files in --sessions; those used longest ago go first"),
    kind: "bytes",
    value: "<bytes>",
  } satisfies Option<number, number, number>,
  anyWeights,
  ...OFFLINE_OPTION,
};

/** What generations of one model under one plan share. */
export interface RunnerOptions extends Given<typeof RUNNER_OPTIONS>, RunCallbacks {
  /** Path of a GGUF file or of a folder with an ONNX model, `hf:OWNER/NAME[:FILE][@REVISION]`, or a name that `npm run model` fetches. */
  readonly model: string;
  /** A plan, the path of a plan file, or shorthand like `kivi:K4V2+sinks4`. */
  readonly plan: Plan | string;
}

/** The plan and the prompt on the command line of `run`. */
export const PROMPT_OPTIONS = {
  plan: { ...textOption("<plan>", "plan file or shorthand, such as kivi:K4V2+sinks4 or none"), isRequired: true },
  prompt: { ...textOption("<text>", "prompt text (default: stdin)"), conflicts: ["chat"] },
  chat: flagOption("chat: treat each line of stdin as a user message"),
  system: textOption("<text>", "with --chat, instructions before the conversation"),
  raw: flagOption("write control characters of the text unchanged (default: escaped)"),
};

const stop: Option<readonly string[], readonly string[], readonly string[]> = {
  kind: "texts",
  value: "<text>",
  help: "end the text before this one; repeat for several",
  fallback: [],
  check: (name, texts) => {
    if (!texts.includes("")) return texts;
    throw new OptionError(name, "a text of at least one character", "none");
  },
};

/** Options of a generated text. */
export const GENERATION_OPTIONS = {
  maxTokens: wholeOption({ least: 1 }, 256, "maximum number of generated tokens"),
  temperature: numberOption(
    "<t>",
    ["a number from 0 on", (value) => value >= 0],
    0,
    "sampling temperature; 0 always takes the most likely token",
  ),
  topP: numberOption(
    "<p>",
    ["a number above 0 and up to 1", (value) => value > 0 && value <= 1],
    1,
    "sample from the most likely tokens with this total probability",
  ),
  topK: wholeOption({ least: 1 }, undefined, "sample from this many of the most likely tokens (default: all)"),
  stop,
  seed: seedOption("seed for sampling, below 2^32"),
  specialTokens: flagOption(
    "with --chat, read special tokens such as <|im_end|> in messages as tokens (default: text)",
  ),
};

/** How one text is generated. */
export interface GenerationOptions extends Given<typeof GENERATION_OPTIONS> {
  /** A text to continue as it is, or a conversation to answer with the model's chat template. */
  readonly prompt: string | readonly ChatMessage[];
  /** Receives the text as it is generated, in whole characters. */
  readonly onText?: (text: string) => void;
  /** Ends the generation; what was generated until then is the result. */
  readonly signal?: AbortSignal;
}

/** All times are kept until the end, and quartiles of more are no better. */
const MOST_ROUNDS = 10_000;

const float: Option<boolean, boolean, boolean> = { ...flagOption("skip the float cache"), fallback: true };

/** Options of `bench`. */
export const BENCH_OPTIONS = {
  threads: threadsOption(1, "number of threads for weights and packed caches; at most the number of cores"),
  backend: backendOption(BACKEND_NAMES[0]!, "backend that stores the packed caches"),
  weights,
  memory,
  float,
  rounds: wholeOption({ least: 1, most: MOST_ROUNDS }, 7, `rounds per variant; at most ${MOST_ROUNDS}`),
  tokens: wholeOption({ least: 1 }, 8, "tokens decoded per round"),
  fill: choiceOption(["text", "synthetic"], "text", "content of the cache; only text measures prefill"),
  text: textOption("<file>", "UTF-8 text file (default: repeated built-in text)"),
  seed: seedOption("seed for synthetic keys and values, below 2^32"),
  anyWeights,
  ...OFFLINE_OPTION,
};

const DEFAULT_CONTEXTS: readonly number[] = [512, 4096, 8192, 16_384];

/** Plans and context lengths on the command line of `bench`; the latter ascend without repeats. */
export const BENCH_LIST_OPTIONS = {
  plan: { ...plansOption("kivi:K4V4,none; ratios are relative to the first"), isRequired: true },
  context: {
    kind: "numbers",
    value: "<list>",
    help: `context lengths in tokens (default: ${DEFAULT_CONTEXTS.join(",")})`,
    fallback: DEFAULT_CONTEXTS,
    check: (name, contexts) => {
      if (contexts.length === 0) throw new OptionError(name, "at least one number of tokens", "none");
      for (const context of contexts) wholeNumber(name, context, 1);
      return [...new Set(contexts)].toSorted((a, b) => a - b);
    },
  } satisfies Option<readonly number[], readonly number[], readonly number[]>,
};

/** Options of {@link bench}. */
export interface BenchOptions extends Given<typeof BENCH_OPTIONS>, RunCallbacks {
  /** Path of a GGUF file or of a folder with an ONNX model, `hf:OWNER/NAME[:FILE][@REVISION]`, or a name that `npm run model` fetches. */
  readonly model: string;
  /** Plans, paths of plan files, or shorthands like `kivi:K4V4`; ratios are to the first. */
  readonly plans: readonly (Plan | string)[];
  /** Tokens in the cache; 512, 4096, 8192 and 16384 by default. */
  readonly contexts?: readonly number[];
  /** Another program to time in the same rounds. */
  readonly peer?: OpenPeer;
}

/** What {@link OpenPeer} is given. */
export interface PeerParts {
  /** The first of a split model's parts. */
  readonly modelPath: string;
  readonly shape: CacheShape;
  readonly decoder: Decoder;
  readonly tokenizer: Tokenizer;
  readonly threads: number;
  /** The token ids that every variant processes; a cache must hold all of them. */
  readonly ids: Int32Array;
  /** Receives what the user should know, such as a setting that the peer lacks. */
  readonly warn: (message: string) => void;
  readonly signal?: AbortSignal;
}

/** Opens another program on the same model; its variants have the kind `peer`, and {@link bench} disposes of them. */
export type OpenPeer = (parts: PeerParts) => Promise<readonly Variant[]>;
