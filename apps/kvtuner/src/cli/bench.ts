import type { Given } from "@kvtuner/tuning";
import { Command } from "commander";
import { benchText } from "../bench-text.ts";
import { bench } from "../bench.ts";
import { BENCH_LIST_OPTIONS, BENCH_OPTIONS, OUTPUT_OPTIONS } from "../options.ts";
import { examples } from "./examples.ts";
import { MODEL_ARGUMENT, withOptions } from "./options.ts";
import { progressView } from "./progress-view.ts";
import { type Terminal, warn } from "./terminal.ts";

const FLAGS = { ...BENCH_LIST_OPTIONS, ...BENCH_OPTIONS, ...OUTPUT_OPTIONS };

type BenchFlags = Given<typeof FLAGS> & { readonly plan: readonly string[] };

/** `kvtuner bench MODEL`. */
export const benchCommand = (terminal: Terminal, signal: AbortSignal): Command =>
  withOptions(new Command("bench"), FLAGS)
    .description("measure the speed of plans and of the float cache at each context length")
    .argument("<model>", MODEL_ARGUMENT)
    .addHelpText("after", EXAMPLES)
    .action(async (model: string, flags: BenchFlags) => {
      const { plan, context: contexts = FLAGS.context.fallback, json, quiet, ...settings } = flags;
      const view = progressView(terminal, quiet === true);
      const onWarning = (message: string): void => warn(terminal, message);
      const callbacks = { onProgress: view.show, onWarning, signal };
      const result = await bench({ model, plans: plan, contexts, ...settings, ...callbacks }).finally(view.end);
      terminal.out(json === true ? `${JSON.stringify(result)}\n` : `${benchText(result)}\n`);
    });

const EXAMPLES = examples([
  ["kvtuner bench smollm2 --plan kivi:K4V4,none --context 512,4096", "two caches at two context lengths"],
  ["kvtuner bench smollm2 --plan none --fill synthetic --context 32768", "a long context without processing a text"],
]);
