import type { WeightStorage } from "@kvtuner/decoder";
import { Command, Option } from "commander";

import { bench } from "../bench.ts";
import { DEFAULT_CONTEXTS } from "../bench/options.ts";
import { benchText } from "../bench/text.ts";
import { BACKEND_NAMES } from "../model/backend.ts";
import { WEIGHTS } from "../run/options.ts";
import { number, numbers, plans } from "./arguments.ts";
import { examples } from "./examples.ts";
import { progressView } from "./progress-view.ts";
import { type Terminal, warn } from "./terminal.ts";

interface BenchFlags {
  readonly plan: string[];
  readonly context?: number[];
  readonly threads: number;
  readonly backend: string;
  readonly weights: WeightStorage;
  readonly float: boolean;
  readonly rounds: number;
  readonly tokens: number;
  readonly fill: "text" | "synthetic";
  readonly text?: string;
  readonly seed: number;
  readonly anyWeights?: true;
  readonly json?: true;
  readonly quiet?: true;
}

/** `kvtuner bench MODEL`. */
export const benchCommand = (terminal: Terminal, signal: AbortSignal): Command =>
  new Command("bench")
    .description("time plans and the float cache on the same model and contexts, in turns")
    .argument("<model>", "path of a GGUF file, or embedded, smollm2 or qwen05")
    .requiredOption("--plan <list>", "plan files or shorthands like kivi:K4V4,none; ratios are to the first", plans)
    .option("--context <list>", `tokens in the cache (default: ${DEFAULT_CONTEXTS.join(",")})`, numbers)
    .option("--threads <n>", "threads of the weights and of packed caches, no more than cores", number, 1)
    .option("--backend <name>", `what holds the packed caches: ${BACKEND_NAMES.join(", ")}`, BACKEND_NAMES[0])
    .addOption(
      new Option("--weights <kind>", "how weights are held; llama.cpp rounds to int8 too")
        .choices(WEIGHTS)
        .default("stored-int8"),
    )
    .option("--no-float", "do not time the float cache")
    .option("--rounds <n>", "turns of every variant, 10000 at most", number, 7)
    .option("--tokens <n>", "tokens decoded in a turn", number, 8)
    .addOption(
      new Option("--fill <kind>", "what fills the cache; only a text times prefill")
        .choices(["text", "synthetic"])
        .default("text"),
    )
    .option("--text <file>", "text, UTF-8 (default: built-in text over and over)")
    .option("--seed <n>", "seed of synthetic keys and values, below 2^32", number, 0)
    .option("--any-weights", "take plans that were tuned for other weights of the same shape, with a warning")
    .option("--json", "print one JSON document on stdout")
    .option("--quiet", "no progress on stderr")
    .addHelpText("after", EXAMPLES)
    .action(async (model: string, flags: BenchFlags) => {
      const { plan, context: contexts = DEFAULT_CONTEXTS, json, quiet, ...settings } = flags;
      const view = progressView(terminal, quiet === true);
      const onWarning = (message: string): void => warn(terminal, message);
      const callbacks = { onProgress: view.show, onWarning, signal };
      const result = await bench({ model, plans: plan, contexts, ...settings, ...callbacks }).finally(view.end);
      terminal.out(json === true ? `${JSON.stringify(result)}\n` : `${benchText(result)}\n`);
    });

const EXAMPLES = examples([
  ["kvtuner bench smollm2 --plan kivi:K4V4,none --context 512,4096", "two caches at two contexts, in turns"],
  ["kvtuner bench smollm2 --plan none --fill synthetic --context 32768", "a long context without reading one"],
]);
