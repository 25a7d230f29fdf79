import type { Mode } from "@kvtuner/plan";
import type { Measure } from "@kvtuner/sensitivity";
import { Command, Option } from "commander";
import {
  STRATEGIES,
  type CostKind,
  type FrontPlan,
  type Limit,
  type Objective,
  type Strategy,
  type Verification,
} from "@kvtuner/tuning";

import { tune, type TuneResult } from "../tune.ts";
import { BACKEND_NAMES } from "../model/backend.ts";
import { bytes, list, number, positive, renamedTo } from "./arguments.ts";
import { examples } from "./examples.ts";
import { frontTable, strip } from "./format.ts";
import type { Interrupt } from "./interrupt.ts";
import { progressView } from "./progress-view.ts";
import { withTaskOptions, type TaskFlags } from "./task-options.ts";
import { type Piece, type Terminal, warn } from "./terminal.ts";

interface TuneFlags extends TaskFlags {
  readonly objective?: Objective;
  readonly equivalentBits?: number;
  readonly out?: string;
  readonly text?: string;
  readonly mode: Mode;
  readonly pairs?: string[];
  readonly sinks?: number;
  readonly recent?: number;
  readonly context: number;
  readonly budget?: number;
  readonly bits?: number;
  readonly maxKl?: number;
  readonly evaluations: number;
  readonly seed: number;
  readonly windows: number;
  readonly windowLength: number;
  readonly strategy: Strategy;
  readonly measure: Measure;
  readonly cost: CostKind;
  readonly verify?: true;
  readonly backend?: string;
  readonly json?: true;
  readonly quiet?: true;
}

/** `kvtuner tune MODEL`. */
export const tuneCommand = (terminal: Terminal, signal: AbortSignal, interrupt: Interrupt): Command =>
  withTaskOptions(tuneOptions())
    .addOption(
      new Option(
        "--objective <name>",
        "quality measure to optimize: kl, task accuracy, or both (default: task with --task, else kl)",
      ).choices(["kl", "task", "both"]),
    )
    .option("--json", "print one JSON document to stdout")
    .option("--quiet", "hide progress")
    .addHelpText("after", EXAMPLES)
    .action(async (model: string, flags: TuneFlags) => {
      const view = progressView(terminal, flags.quiet === true);
      interrupt.say("measurements so far are saved");
      const onWarning = (message: string): void => warn(terminal, message);
      const { budget: _, bits: __, equivalentBits: ___, maxKl: ____, json, quiet: _____, ...options } = flags;
      const result = await tune({
        model,
        ...options,
        limit: limitOf(flags),
        onProgress: view.show,
        onWarning,
        signal,
      }).finally(view.end);
      terminal.out(...(json === true ? [JSON.stringify(result), "\n"] : summary(result, flags.context, terminal)));
    });

const tuneOptions = (): Command =>
  new Command("tune")
    .description("score a model's layers, search for the best plans and pick one; resumes the study in --out")
    .argument("<model>", "GGUF file, or embedded, smollm2 or qwen05 (downloaded by `npm run model -- NAME`)")
    .option("--out <dir>", "study folder (default: studies/MODEL-MODE)")
    .option(
      "--text <file>",
      "UTF-8 calibration text file (default: prompts of --task, or the model's own continuations of built-in prompts)",
    )
    .addOption(
      new Option("--mode <mode>", "storage mode of all pairs")
        .choices(["per-token", "kivi", "compact"])
        .default("compact"),
    )
    .option(
      "--pairs <list>",
      "comma-separated pairs to choose from, such as K8V8,K8V4 (default: all over 2, 3, 4 and 8 bits)",
      list,
    )
    .option("--sinks <n>", "number of first tokens kept in 16 bits (default: the mode's)", number)
    .option("--recent <n>", "number of most recent tokens kept in 16 bits (default: the mode's)", number)
    .addOption(new Option("--window <n>").hideHelp().argParser(renamedTo("--recent")))
    .option("--context <n>", "context length in tokens for byte counts", number, 4096)
    .addOption(
      new Option("--budget <bytes>", "pick the best plan within this size, such as 40MB")
        .argParser(bytes)
        .conflicts(["bits", "equivalentBits", "maxKl"]),
    )
    .addOption(
      new Option("--bits <b>", "pick the best plan within this number of true bits")
        .argParser(positive)
        .conflicts(["equivalentBits", "maxKl"]),
    )
    .addOption(
      new Option(
        "--equivalent-bits <b>",
        "pick the best plan within this number of equivalent bits, the paper's measure",
      )
        .argParser(positive)
        .conflicts(["maxKl"]),
    )
    .addOption(new Option("--max-kl <kl>", "pick the cheapest plan within this KL").argParser(positive))
    .option("--evaluations <n>", "number of plans to evaluate", number, 60)
    .option("--seed <n>", "seed for the search, the model's own text and a task's examples, below 2^32", number, 0)
    .option("--windows <n>", "number of calibration samples", number, 2)
    .option("--window-length <n>", "tokens per sample", number, 512)
    .addOption(new Option("--strategy <name>", "search strategy").choices(STRATEGIES).default("surrogate"))
    .addOption(
      new Option("--measure <name>", "error by which each layer's pairs are pruned")
        .choices(["kl", "eo"])
        .default("kl"),
    )
    .addOption(
      new Option("--cost <kind>", "cost to minimize: stored bytes (true) or code bits (equivalent)")
        .choices(["true", "equivalent"])
        .default("true"),
    )
    .option("--verify", "run the picked plan token by token and compare its loss with the evaluator's")
    .addOption(new Option("--backend <name>", "backend for --verify (default: cpu)").choices(BACKEND_NAMES));

const EXAMPLES = examples([
  ["kvtuner tune smollm2 --bits 4 --out studies/mine", "a plan of at most 4 true bits"],
  [
    "kvtuner tune model.gguf --text notes.txt --budget 40MB --context 8192",
    "a plan within a budget, tuned on your own text",
  ],
  [
    "kvtuner tune model.gguf --task task.jsonl --objective both --equivalent-bits 4",
    "a plan tuned on task accuracy and KL",
  ],
  ["kvtuner tune smollm2 --pairs K8V4,K4V4,K4V2 --windows 1 --evaluations 20", "a short study"],
]);

const limitOf = ({ budget, bits, equivalentBits, maxKl }: TuneFlags): Limit => {
  if (budget !== undefined) return { kind: "bytes", bytes: budget };
  if (bits !== undefined) return { kind: "bits", bits };
  if (equivalentBits !== undefined) return { kind: "equivalent-bits", bits: equivalentBits };
  return maxKl === undefined ? { kind: "knee" } : { kind: "kl", kl: maxKl };
};

const summary = (
  { front, picked, verified, evaluations, hypervolume, out, timeMs }: TuneResult,
  context: number,
  terminal: Terminal,
): Piece[] => [
  [
    frontTable(front, picked, context),
    `${evaluations} plans evaluated in ${((timeMs["total"] ?? 0) / 1000).toFixed(1)} s, hypervolume ${hypervolume.toFixed(3)}`,
    `picked: ${picked.bits.toFixed(3)} true bits, ${lossText(picked)}, in ${out}/plan.json`,
    ...(verified === undefined ? [] : [verifiedText(verified)]),
    "",
  ].join("\n"),
  ...strip(picked.pairs, terminal),
  `\nreport: ${out}/report.html\n`,
];

const lossText = ({ kl, task }: FrontPlan): string =>
  task === undefined
    ? `KL ${kl.toPrecision(3)}`
    : `accuracy ${task.accuracy.toFixed(4)} +- ${task.accuracyStandardError.toFixed(4)} on ${task.prompts} prompts ` +
      `(float cache ${task.floatAccuracy.toFixed(4)}, p ${task.pValue.toPrecision(2)}), KL ${kl.toPrecision(3)}`;

const verifiedText = ({ backend, kl, evaluatedKl, difference, agrees, tokens }: Verification): string =>
  `${agrees ? "verified" : "NOT verified"}: KL ${kl.toPrecision(4)} on ${backend}, token by token over ${tokens} tokens; evaluated ${evaluatedKl.toPrecision(4)}, difference ${difference.toPrecision(2)}`;
