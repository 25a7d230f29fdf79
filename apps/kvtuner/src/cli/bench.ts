import type { Given } from "@kvtuner/tuning";
import { Command } from "commander";
import { benchText } from "../bench-text.ts";
import { bench } from "../bench.ts";
import { BENCH_OPTIONS, DEFAULT_CONTEXTS } from "../options.ts";
import { examples } from "./examples.ts";
import { numbers, plans, withOptions } from "./options.ts";
import { progressView } from "./progress-view.ts";
import { type Terminal, warn } from "./terminal.ts";

interface BenchFlags extends Given<typeof BENCH_OPTIONS> {
  readonly plan: string[];
  readonly context?: number[];
  readonly json?: true;
  readonly quiet?: true;
}

/** `kvtuner bench MODEL`. */
export const benchCommand = (terminal: Terminal, signal: AbortSignal): Command =>
  withOptions(benchBase(), BENCH_OPTIONS)
    .option("--json", "print one JSON document to stdout")
    .option("--quiet", "hide progress")
    .addHelpText("after", EXAMPLES)
    .action(async (model: string, flags: BenchFlags) => {
      const { plan, context: contexts = DEFAULT_CONTEXTS, json, quiet, ...settings } = flags;
      const view = progressView(terminal, quiet === true);
      const onWarning = (message: string): void => warn(terminal, message);
      const callbacks = { onProgress: view.show, onWarning, signal };
      const result = await bench({ model, plans: plan, contexts, ...settings, ...callbacks }).finally(view.end);
      terminal.out(json === true ? `${JSON.stringify(result)}\n` : `${benchText(result)}\n`);
    });

const benchBase = (): Command =>
  new Command("bench")
    .description("measure the speed of plans and of the float cache at each context length")
    .argument("<model>", "GGUF file, or embedded, smollm2 or qwen05")
    .requiredOption(
      "--plan <list>",
      "comma-separated plan files or shorthands, such as kivi:K4V4,none; ratios are relative to the first",
      plans,
    )
    .option("--context <list>", `context lengths in tokens (default: ${DEFAULT_CONTEXTS.join(",")})`, numbers);

const EXAMPLES = examples([
  ["kvtuner bench smollm2 --plan kivi:K4V4,none --context 512,4096", "two caches at two context lengths"],
  ["kvtuner bench smollm2 --plan none --fill synthetic --context 32768", "a long context without processing a text"],
]);
