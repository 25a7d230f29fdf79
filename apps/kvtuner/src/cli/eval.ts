import { createInterface } from "node:readline";

import { formatBytes, KvtunerError } from "@kvtuner/plan";
import { Command, Option } from "commander";

import { openPlanScorer, type EvaluateResult, type PlanScorer } from "../evaluate.ts";
import { number } from "./arguments.ts";
import { examples } from "./examples.ts";
import { plainTable } from "./format.ts";
import { progressView } from "./progress-view.ts";
import type { Terminal } from "./terminal.ts";

interface EvalFlags {
  readonly plan?: string;
  readonly stream?: true;
  readonly text?: string;
  readonly windows: number;
  readonly windowLength: number;
  readonly context: number;
  readonly seed: number;
  readonly json?: true;
  readonly quiet?: true;
}

/** `kvtuner eval MODEL`. */
export const evalCommand = (terminal: Terminal, signal: AbortSignal): Command =>
  new Command("eval")
    .description("measure what one plan costs and loses")
    .argument("<model>", "path of a GGUF file, or smollm2 or qwen05")
    .option("--plan <plan>", "plan file, or shorthand like kivi:K4V2+sinks4 or none")
    .addOption(new Option("--stream", "read one plan a line on stdin, answer one JSON line each").conflicts(["plan"]))
    .option("--text <file>", "text, UTF-8 (default: the model's own continuations of built-in prompts)")
    .option("--windows <n>", "windows of the text", number, 8)
    .option("--window-length <n>", "tokens of a window", number, 512)
    .option("--context <n>", "tokens at which bytes are counted", number, 4096)
    .option("--seed <n>", "seed of the model's own text", number, 0)
    .option("--json", "print one JSON document on stdout")
    .option("--quiet", "no progress on stderr")
    .addHelpText("after", EXAMPLES)
    .action(async (model: string, flags: EvalFlags, command: Command) => {
      const { plan, stream, json, quiet, ...settings } = flags;
      if (plan === undefined && stream !== true) command.error("error: expected --plan or --stream");
      const view = progressView(terminal, quiet === true);
      const onWarning = (message: string): void => terminal.error(`warning: ${message}\n`);
      const callbacks = { onProgress: view.show, onWarning, signal };
      const scorer = await openPlanScorer({ model, ...settings, ...callbacks }).finally(view.end);
      try {
        if (plan === undefined) return await answerLines(scorer, terminal, signal);
        const result = await scorer.score(plan).finally(view.end);
        terminal.out(json === true ? `${JSON.stringify(result)}\n` : summary(plan, result, flags.context));
      } finally {
        await scorer.dispose();
      }
    });

const EXAMPLES = examples([
  ["kvtuner eval smollm2 --plan studies/mine/plan.json", "what a plan loses and takes"],
  ["kvtuner eval smollm2 --plan kivi:K4V2+sinks4 --text book.txt", "one pair in all layers, on your own text"],
  ["kvtuner eval smollm2 --stream < plans.txt", "one plan a line, the model loaded once"],
]);

/** One answer a line, in order; a plan that cannot be scored is answered `{"error": {"code", "message"}}`. */
const answerLines = async (scorer: PlanScorer, terminal: Terminal, signal: AbortSignal): Promise<void> => {
  const lines = createInterface({ input: terminal.input, signal });
  for await (const line of lines)
    if (line.trim() !== "") terminal.out(`${JSON.stringify(await answer(scorer, line))}\n`);
  signal.throwIfAborted();
};

const answer = async (
  scorer: PlanScorer,
  line: string,
): Promise<EvaluateResult | { error: { code: string; message: string } }> => {
  try {
    return await scorer.score(line);
  } catch (error) {
    if (!KvtunerError.isInstance(error)) throw error;
    return { error: { code: error.code, message: error.message } };
  }
};

const summary = (plan: string, result: EvaluateResult, context: number): string =>
  `${plainTable(
    ["plan", plan, "+-"],
    [
      ["KL, nats a token", result.kl.toPrecision(4), result.klStandardError.toPrecision(2)],
      ["top-1 agreement", result.top1.toFixed(4), result.top1StandardError.toPrecision(2)],
      ["perplexity", result.perplexity.toFixed(4), result.perplexityStandardError.toPrecision(2)],
      ["with the float cache", result.basePerplexity.toFixed(4), ""],
      ["tokens scored", String(result.tokens), ""],
      [`true bits at ${context}`, result.bits.toFixed(3), ""],
      ["equivalent bits", result.equivalentBits.toFixed(3), ""],
      [`bytes at ${context}`, formatBytes(result.bytes), ""],
    ],
  )}\n`;
