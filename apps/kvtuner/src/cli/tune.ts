import { LIMIT_OPTIONS, limitOf, type FrontPlan, type Given, type Verification } from "@kvtuner/tuning";
import { Command } from "commander";
import { OUTPUT_OPTIONS, TUNE_OPTIONS } from "../options.ts";
import { tune, type TuneResult } from "../tune.ts";
import { examples } from "./examples.ts";
import { frontTable, strip } from "./format.ts";
import type { Interrupt } from "./interrupt.ts";
import { MODEL_ARGUMENT, withOptions } from "./options.ts";
import { progressView } from "./progress-view.ts";
import { type Piece, type Terminal, warn } from "./terminal.ts";

type TuneFlags = Given<typeof TUNE_OPTIONS & typeof OUTPUT_OPTIONS>;

/** `kvtuner tune MODEL`. */
export const tuneCommand = (terminal: Terminal, signal: AbortSignal, interrupt: Interrupt): Command =>
  withOptions(new Command("tune"), { ...TUNE_OPTIONS, ...LIMIT_OPTIONS, ...OUTPUT_OPTIONS })
    .description("score a model's layers, search for the best plans and pick one; resumes the study in --out")
    .argument("<model>", `${MODEL_ARGUMENT} (downloaded by \`npm run model -- NAME\`)`)
    .addHelpText("after", EXAMPLES)
    .action(async (model: string, flags: TuneFlags) => {
      const view = progressView(terminal, flags.quiet === true);
      interrupt.say("measurements so far are saved");
      const onWarning = (message: string): void => warn(terminal, message);
      const result = await tune({
        model,
        ...flags,
        limit: limitOf(flags),
        onProgress: view.show,
        onWarning,
        signal,
      }).finally(view.end);
      terminal.out(
        ...(flags.json === true
          ? [JSON.stringify(result), "\n"]
          : summary(result, flags.context ?? TUNE_OPTIONS.context.fallback, terminal)),
      );
    });

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
  [
    "kvtuner tune smollm2 --codecs transform:channels,compact --text mixed.txt --bits 3",
    "transform coding beside pairs: less loss, but tables of megabytes and slower prompts",
  ],
  ["kvtuner tune smollm2 --pairs K8V4,K4V4,K4V2 --samples 1 --evaluations 20", "a short study"],
]);

const summary = (
  { front, picked, verified, evaluations, passes, hypervolume, shape, out, timeMs }: TuneResult,
  context: number,
  terminal: Terminal,
): Piece[] => [
  [
    frontTable(front, picked, context),
    `${evaluations} plans evaluated in ${((timeMs["total"] ?? 0) / 1000).toFixed(1)} s, hypervolume ${hypervolume.toFixed(3)}`,
    `forward passes over the text: ${passesText(passes)}`,
    `picked: ${picked.bits.toFixed(3)} true bits, ${lossText(picked)}, in ${out}/plan.json`,
    ...(verified === undefined ? [] : [verifiedText(verified)]),
    "",
  ].join("\n"),
  ...strip(picked.pairs, shape, terminal),
  `\nreport: ${out}/report.html\n`,
];

const passesText = ({ fitting, profile, search, measuredCases }: TuneResult["passes"]): string =>
  `${(fitting + profile + search).toFixed(1)}; ${fitting > 0 ? `fitting tables ${fitting.toFixed(1)}, ` : ""}profile ${profile.toFixed(1)}, ${measuredCases} cases of single layers measured, search ${search.toFixed(1)}`;

const lossText = ({ kl, task }: FrontPlan): string =>
  task === undefined
    ? `KL ${kl.toPrecision(3)}`
    : `accuracy ${task.accuracy.toFixed(4)} +- ${task.accuracyStandardError.toFixed(4)} on ${task.prompts} prompts ` +
      `(float cache ${task.floatAccuracy.toFixed(4)}, p ${task.pValue.toPrecision(2)}), KL ${kl.toPrecision(3)}`;

const verifiedText = ({ backend, kl, evaluatedKl, difference, agrees, tokens }: Verification): string =>
  `${agrees ? "verified" : "NOT verified"}: KL ${kl.toPrecision(4)} on ${backend}, token by token over ${tokens} tokens; evaluated ${evaluatedKl.toPrecision(4)}, difference ${difference.toPrecision(2)}`;
