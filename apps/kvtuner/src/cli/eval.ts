import { createInterface } from "node:readline";
import { KvtunerError } from "@kvtuner/plan";
import { type Given, type OnProgress, type Progress, RETRIEVAL_OPTIONS } from "@kvtuner/tuning";
import { Command } from "commander";
import { openPlanScorer, openRetrievalScorer, openTaskScorer, type GivenPlanScorer } from "../evaluate.ts";
import { EVALUATE_OPTIONS, EVALUATE_PLAN_OPTIONS, EVALUATE_TASK_OPTIONS, OUTPUT_OPTIONS } from "../options.ts";
import { assertNoTaskOptions } from "../tasks/read-task.ts";
import { retrievalSummary, taskSummary, textSummary } from "./eval-summary.ts";
import { examples } from "./examples.ts";
import { MODEL_ARGUMENT, withOptions } from "./options.ts";
import { progressView } from "./progress-view.ts";
import { type Terminal, warn } from "./terminal.ts";

const FLAGS = {
  ...EVALUATE_PLAN_OPTIONS,
  ...EVALUATE_OPTIONS,
  ...EVALUATE_TASK_OPTIONS,
  ...RETRIEVAL_OPTIONS,
  ...OUTPUT_OPTIONS,
};

type EvalFlags = Given<typeof FLAGS>;

/** `kvtuner eval MODEL`. */
export const evalCommand = (terminal: Terminal, signal: AbortSignal): Command =>
  withOptions(new Command("eval"), FLAGS)
    .description("score plans on a text or on tasks: bytes, loss, accuracy")
    .argument("<model>", MODEL_ARGUMENT)
    .addHelpText("after", EXAMPLES)
    .action(async (model: string, flags: EvalFlags, command: Command) => {
      if (flags.plan === undefined && flags.stream !== true) command.error("error: expected --plan or --stream");
      const { plan: _, stream: __, json: ___, quiet, task, retrieval, ...settings } = flags;
      const view = progressView(terminal, quiet === true);
      const place = { plan: 0, plans: flags.plan?.length ?? 1 };
      const onProgress: OnProgress = (progress) => view.show(amongPlans(progress, place));
      const onWarning = (message: string): void => warn(terminal, message);
      const call: Call = { terminal, signal, flags, place, end: view.end };
      const options = { model, ...settings, onProgress, onWarning, signal };
      if (task === undefined) assertNoTaskOptions(flags);
      if (retrieval !== undefined)
        return answered(await openRetrievalScorer({ ...options, retrieval }).finally(view.end), call, retrievalSummary);
      if (task === undefined) return answered(await openPlanScorer(options).finally(view.end), call, textSummary);
      return answered(await openTaskScorer({ ...options, task }).finally(view.end), call, taskSummary);
    });

const EXAMPLES = examples([
  ["kvtuner eval smollm2 --plan studies/mine/plan.json", "a plan's loss and bytes"],
  ["kvtuner eval smollm2 --plan kivi:K4V2+sinks4 --text book.txt", "one pair in all layers, on your own text"],
  ["kvtuner eval smollm2 --plan kivi:K4V2,mine.json --task gsm8k.jsonl --shots 4", "accuracy on a task"],
  ["kvtuner eval smollm2 --plan mine.json --retrieval passkey --lengths 1024,4096", "numbers found in long texts"],
  ["kvtuner eval smollm2 --stream < plans.txt", "one plan per line, with the model loaded once"],
]);

interface Call {
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
  readonly flags: EvalFlags;
  /** The plan being scored, and how many there are. */
  readonly place: { plan: number; readonly plans: number };
  /** Removes the progress line. */
  readonly end: () => void;
}

/** One plan's progress as part of all plans' progress. */
const amongPlans = (progress: Progress, { plan, plans: count }: Call["place"]): Progress =>
  progress.step === "evaluate"
    ? { ...progress, done: plan * progress.total + progress.done, total: count * progress.total }
    : progress;

/** A plan's figures, with its name. */
type Named<Result> = Result & { readonly plan: string };

const answered = async <Result extends object>(
  scorer: GivenPlanScorer<Result>,
  { terminal, signal, flags: { plan: given, json, context = EVALUATE_OPTIONS.context.fallback }, place, end }: Call,
  summary: (results: readonly Named<Result>[], context: number) => string,
): Promise<void> => {
  try {
    if (given === undefined) return await answerLines(scorer, terminal, signal);
    const results: Named<Result>[] = [];
    // Read all plans before scoring one, so that a typo in the last does not waste the others' time.
    const toScore = given.map((name) => ({ name, plan: scorer.read(name) }));
    for (const { name, plan } of toScore) {
      results.push({ plan: name, ...(await scorer.score(plan).finally(end)) });
      place.plan++;
    }
    terminal.out(
      json === true ? `${JSON.stringify(results.length === 1 ? results[0] : results)}\n` : summary(results, context),
    );
  } finally {
    await scorer.dispose();
  }
};

/** Prints one JSON line per plan, in order: its result, or `{"error": {"code", "message"}}`. */
const answerLines = async (
  scorer: GivenPlanScorer<unknown>,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> => {
  const lines = createInterface({ input: terminal.input, signal });
  for await (const line of lines)
    if (line.trim() !== "") terminal.out(`${JSON.stringify(await answer(scorer, line))}\n`);
  signal.throwIfAborted();
};

const answer = async (scorer: GivenPlanScorer<unknown>, line: string): Promise<unknown> => {
  try {
    return await scorer.score(line);
  } catch (error) {
    if (!KvtunerError.isInstance(error)) throw error;
    return { error: { code: error.code, message: error.message } };
  }
};
