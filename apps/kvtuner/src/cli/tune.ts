import type { Mode } from "@kvtuner/plan";
import type { Measure } from "@kvtuner/sensitivity";
import { Command, Option } from "commander";

import type { Limit } from "../pipeline/limit.ts";
import type { Objective } from "../pipeline/objective.ts";
import { STRATEGIES, type Strategy } from "../pipeline/search.ts";
import type { CostKind } from "../pipeline/space.ts";
import { tune, type TuneResult } from "../tune.ts";
import { BACKEND_NAMES } from "../model/backend.ts";
import type { FrontPlan } from "../pipeline/pick.ts";
import type { Verification } from "../pipeline/verify.ts";
import { bytes, list, number, positive } from "./arguments.ts";
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
  readonly window?: number;
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
      new Option("--objective <name>", "what decides beside cost (default: task with --task, kl without)").choices([
        "kl",
        "task",
        "both",
      ]),
    )
    .option("--json", "print one JSON document on stdout")
    .option("--quiet", "no progress on stderr")
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
    .description("measure a model's layers and find the plans no other beats; resumes the study in --out")
    .argument("<model>", "path of a GGUF file, or embedded, smollm2 or qwen05 (fetched by `npm run model -- NAME`)")
    .option("--out <dir>", "study folder (default: studies/MODEL-MODE)")
    .option(
      "--text <file>",
      "calibration text, UTF-8 (default: prompts of --task, or the model's own continuations of built-in ones)",
    )
    .addOption(
      new Option("--mode <mode>", "how pairs are stored").choices(["per-token", "kivi", "compact"]).default("compact"),
    )
    .option("--pairs <list>", "pairs a layer may take, like K8V8,K8V4 (default: all over 2, 3, 4 and 8 bits)", list)
    .option("--sinks <n>", "first tokens kept in 16 bits (default: the mode's)", number)
    .option("--window <n>", "newest tokens kept in 16 bits (default: the mode's)", number)
    .option("--context <n>", "tokens at which bytes are counted", number, 4096)
    .addOption(
      new Option("--budget <bytes>", "pick the best plan within, like 40MB")
        .argParser(bytes)
        .conflicts(["bits", "equivalentBits", "maxKl"]),
    )
    .addOption(
      new Option("--bits <b>", "pick the best plan within so many true bits")
        .argParser(positive)
        .conflicts(["equivalentBits", "maxKl"]),
    )
    .addOption(
      new Option("--equivalent-bits <b>", "pick the best plan within so many bits as the paper counts them")
        .argParser(positive)
        .conflicts(["maxKl"]),
    )
    .addOption(new Option("--max-kl <kl>", "pick the cheapest plan within this loss").argParser(positive))
    .option("--evaluations <n>", "plans to evaluate", number, 60)
    .option("--seed <n>", "seed of the search, of the model's own text and of a task's examples, below 2^32", number, 0)
    .option("--windows <n>", "calibration windows", number, 2)
    .option("--window-length <n>", "tokens of a window", number, 512)
    .addOption(new Option("--strategy <name>", "how plans are chosen").choices(STRATEGIES).default("surrogate"))
    .addOption(new Option("--measure <name>", "what a layer's pairs are pruned by").choices(["kl", "eo"]).default("kl"))
    .addOption(
      new Option("--cost <kind>", "what is minimized beside KL").choices(["true", "equivalent"]).default("true"),
    )
    .option("--verify", "run the picked plan token by token and compare its loss with the evaluator's")
    .addOption(new Option("--backend <name>", "what --verify runs it on (default: cpu)").choices(BACKEND_NAMES));

const EXAMPLES = examples([
  ["kvtuner tune smollm2 --bits 4 --out studies/mine", "a plan of at most 4 true bits a number"],
  ["kvtuner tune model.gguf --text notes.txt --budget 40MB --context 8192", "one that fits a budget, by your own text"],
  ["kvtuner tune model.gguf --task task.jsonl --objective both --equivalent-bits 4", "one that answers prompts right"],
  ["kvtuner tune smollm2 --pairs K8V4,K4V4,K4V2 --windows 1 --evaluations 20", "a quick look"],
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
